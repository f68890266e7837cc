import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Pipeline, PipelineError } from '../../../dist/index.js'
import { openKernels } from '../../../dist/kernels/index.js'
import { makeRunDirectory } from '../../../dist/pipeline/directory/run-directory.js'
import { Recorder } from '../../../dist/pipeline/run/record.js'
import { type KernelClock, now } from '../../../dist/pipeline/run/timed-kernels.js'
import type { MetricInfos } from '../../../dist/pipeline/stage-kit.js'

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

t.test('the record says how a run stands: running, then how it ended', async (t) => {
  const pipeline = await Pipeline.define({ name: 'toy', seed: 4, stages: [{ use: 'load/digits' }] })
  const kernels = await openKernels({ kernel: 'reference' })
  const directory = makeRunDirectory('toy', { out: t.testdir({}) })
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const recorder = new Recorder({
    pipeline,
    kernels,
    clock,
    directory,
    definition: 'd',
    notes: ['earlier'],
    resumedAt: 3,
    metrics: {},
  })
  const saved = () => JSON.parse(readFileSync(`${directory.path}/run.json`, 'utf8'))

  const running = recorder.save('running')
  t.strictSame(saved(), running)
  t.match(running, {
    status: 'running',
    name: 'toy',
    seed: 4,
    versions: { millrace: version, node: process.versions.node },
    machine: { platform: `${process.platform}-${process.arch}`, cores: Number },
    kernel: { name: 'reference', detail: 'float64', threads: 1 },
    started: /^\d{4}-\d\d-\d\dT.*Z$/,
    data: [],
    notes: ['earlier'],
    definition: 'd',
    resumedAt: 3,
  })
  t.notOk('timings' in running || 'finished' in running || 'error' in running)

  Object.assign(clock, { busy: 80, steps: 7, firstStep: now() - 150, lastCall: now() - 50 })
  for (const name of ['b.csv', 'a.csv']) writeFileSync(directory.file(name), '')
  directory.file('never-written.csv')
  recorder.data.push({ path: 'x', bytes: 1, sha256: 'y' })
  recorder.note('model: slow')
  const failed = recorder.save('failed', new PipelineError('DATA', [{ where: 'p.yaml:1:1', message: 'bad' }]))
  t.strictSame(saved(), failed)
  t.match(failed, {
    status: 'failed',
    error: 'p.yaml:1:1  bad',
    started: running.started,
    data: [{ path: 'x' }],
    notes: ['earlier', 'model: slow'],
    files: ['a.csv', 'b.csv', 'run.json'],
  })
  const { total, prepare, train, finish, kernels: busy, overhead, steps } = failed.timings!
  t.equal(steps, 7)
  t.equal(busy, 0.08, 'seconds')
  t.ok(train >= 0.1 && train < 1, String(train))
  t.ok(finish >= 0.05 && finish < 1, String(finish))
  t.ok(Math.abs(prepare + train + finish - total) < 1e-5)
  t.ok(Math.abs(overhead - (1 - busy / train)) < 1e-3)
  t.ok(Date.parse(failed.finished!) >= Date.parse(failed.started))
})

async function recorderIn(t: Test, metrics: MetricInfos = {}) {
  const pipeline = await Pipeline.define({ name: 'toy', stages: [{ use: 'load/digits' }] })
  const kernels = await openKernels({ kernel: 'reference' })
  const directory = makeRunDirectory('toy', { out: t.testdir({}) })
  t.teardown(() => directory.release())
  const clock: KernelClock = { busy: 0, steps: 0, firstStep: undefined, lastCall: 0 }
  const sources = { pipeline, kernels, clock, directory, definition: 'd', notes: [], resumedAt: undefined, metrics }
  return new Recorder(sources)
}

t.test('steps and evaluations of stages that use no kernel are counted and timed', async (t) => {
  const recorder = await recorderIn(t)
  await after(20)
  for (let i = 0; i < 3; i++) {
    recorder.addStep()
    await after(20)
  }
  recorder.addMetrics({})
  await after(20)
  const { steps, prepare, train, finish, kernels, overhead, total } = recorder.save('done').timings!
  t.equal(steps, 3)
  t.equal(kernels, 0)
  t.equal(overhead, 1, 'all of the training is outside of kernels')
  for (const [time, least] of [
    [prepare, 0.019],
    [train, 0.057],
    [finish, 0.019],
  ] as const)
    t.ok(time >= least && time < 2, `${time}`)
  t.ok(Math.abs(prepare + train + finish - total) < 1e-5)
})

const cost = { split: 'test', name: 'cost', title: 'cost', better: 'lower' } as const
const f1 = { name: 'f1', title: 'F1', unit: 'share', better: 'higher' } as const

t.test('what metrics say about themselves is recorded, of all stages that make some', async (t) => {
  const recorder = await recorderIn(t)
  t.strictSame(recorder.save('running').metrics, {})
  recorder.addMetrics({ test_cost: cost })
  recorder.addMetrics({ f1 })
  t.strictSame(recorder.save('done').metrics, { test_cost: cost, f1 })
})

t.test('what the metrics of a resumed run said stays, unless a stage says something else', async (t) => {
  const recorder = await recorderIn(t, { test_cost: cost, f1 })
  t.strictSame(recorder.save('running').metrics, { test_cost: cost, f1 })
  recorder.addMetrics({ f1: { ...f1, title: 'macro F1' } })
  t.strictSame(recorder.save('done').metrics, { test_cost: cost, f1: { ...f1, title: 'macro F1' } })
})
