import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignoreElements, lastValueFrom, map, tap, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { loadModel, Pipeline, type RunRecord, resume, run, start } from '../../../dist/index.js'
import { openKernels } from '../../../dist/kernels/index.js'
import { arraysOf, defineStage, modelOf, positionOf, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { lateKernels, withLateKernel } from '../../kernels/late.js'
import { errorOf, inside, runStage, temporary } from '../../stages/harness.js'
import { countedBatches } from '../../stages/tables.js'
import { data } from './keeping.js'

/** How many steps the late kernel is ahead. */
const AHEAD = 5

interface Case {
  readonly model: string
  readonly kernel?: 'reference' | 'wasm'
  readonly more?: string
  /** Whether it is also stopped and resumed. */
  readonly isStopped?: boolean
}

/** A pipeline with all that reads parameters now and then: 30 rows to train on, 4 epochs. */
function definition({ model, more = '' }: Case): string {
  return `
seed: 7
checkpoint: { every: 7 steps, keep: 2 }
stages:
  - { use: load/csv, with: { path: data.csv, label: kind, fractions: { train: 0.6, validation: 0.4 } } }
  - { id: examples, use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { size: 3, epochs: 4 } }
  - { id: shuffled, use: shuffle/rows }
  - { id: model, use: ${model} }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples }, with: { every: { steps: 10 }, metrics: [auc], start: true } }
  - { use: sink/csv }
  - { id: steps, use: evaluate/steps, from: model, with: { every: 8 steps } }
  - { use: sink/csv, id: of-steps, with: { path: steps.csv } }
  - { use: sink/best, from: { parameters: model, metrics: metrics } , with: { monitor: validation_loss } }
  - { use: sink/parameters, from: model }
${more}`
}

function folder(t: Test, tried: Case): string {
  return inside(t, temporary(t, { 'p.yaml': definition(tried), 'data.csv': data }))
}

const cases: Record<string, Case> = {
  sgd: { model: 'gradient-step/softmax, with: { eta: 0.1, lambda: 0.01 }', isStopped: true },
  momentum: { model: 'gradient-step/softmax, with: { eta: 0.1, update: momentum }', kernel: 'wasm' },
  'adam, on a network with batch normalisation and dropout': {
    model: 'gradient-step/network, with: { eta: 0.01, update: adam, hidden: [6, 5], batchNorm: true, dropout: 0.2 }',
    kernel: 'wasm',
    isStopped: true,
  },
  'a rule that the kernel does not perform': {
    model: 'gradient-step/network, with: { eta: 0.01, update: nesterov, clip: 0.5, hidden: [6] }',
    isStopped: true,
  },
  'a learning rate that watches a metric': {
    model:
      'gradient-step/softmax, with: { eta: { plateau: { start: 0.5, metric: validation_loss, factor: 0.5, patience: 1 } } }',
  },
  'every table recorded': {
    model: 'gradient-step/softmax, with: { eta: 0.1 }',
    more: '  - { use: sink/arrow, id: all, from: model }\n',
  },
  'the gradient check': {
    model: 'gradient-step/softmax, with: { eta: 0.1 }',
    more:
      '  - { id: check, use: check/gradient, from: { batches: shuffled, parameters: model }, with: { step: 13, kernels: [] } }\n' +
      '  - { id: checked, use: sink/arrow }\n',
  },
  'histograms at the end of epochs': {
    model: 'gradient-step/softmax, with: { eta: 0.1 }',
    more: '  - { use: sink/tensorboard, from: model }\n',
  },
}

for (const [name, tried] of Object.entries(cases))
  t.test(`a kernel whose results come late writes the same bytes: ${name}`, async (t) => {
    const cwd = folder(t, tried)
    const { kernel = 'reference', isStopped = false } = tried
    const pipeline = await Pipeline.load('p.yaml')
    const { history } = await run(pipeline, { kernel, out: 'a' })
    const calls = await withLateKernel(kernel, AHEAD, async () => {
      const late = await run(pipeline, { kernel: 'webgpu', out: 'b' })
      t.strictSame(late.history, history)
      t.ok(late.record.timings!.kernels > 0 && late.record.timings!.overhead < 1)
      if (isStopped) {
        const signal = new AbortController()
        const stopped = start(pipeline, { kernel: 'webgpu', out: 'c', signal: signal.signal })
        stopped.wires.latest('model').subscribe(({ value }) => positionOf(value).step >= 17 && signal.abort())
        t.match(await errorOf(stopped.result), ['ABORTED'])
        const { record } = await resume('c').result
        t.equal(record.kernel.detail, `late ${kernel}`, 'a run goes on with its kernel')
        t.ok(record.resumedAt! >= 17)
      }
    })
    for (const other of isStopped ? ['b', 'c'] : ['b'])
      t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, other)), [], other)
    if (name === 'sgd')
      t.ok(calls.ahead === AHEAD && calls.reads < calls.steps, `${calls.reads} copies, ${calls.steps} steps`)
  })

t.test('batches that are larger than a call are cut', async (t) => {
  const batches = countedBatches([9, 9, 9], 2)
  const slice = 130 * 3 * 4
  const inner = { ...(await openKernels({ kernel: 'reference' })), slice }
  const calls = { steps: 0, reads: 0, ahead: 0 }
  const step = '- use: gradient-step/softmax\n  with: { eta: 0.01 }'
  const plain = await runStage(t, step, { batches }, { kernels: inner })
  const late = await runStage(
    t,
    step,
    { batches },
    { kernels: lateKernels(inner, AHEAD, calls), asked: { arrays: 'last' } },
  )
  t.strictSame(modelOf(late.tables.at(-1)!).arrays, modelOf(plain.tables.at(-1)!).arrays)
  t.strictSame([calls.steps, calls.ahead], [6, AHEAD])
  t.throws(() => modelOf(late.tables[3]!).arrays, {
    code: 'STAGE',
    message: /the parameters of step 4 are on the device, .* arrays: \{ steps: 1 \}/,
  })
})

t.test('a loss that is not finite ends the run at its step, a few steps later', async (t) => {
  folder(t, { model: 'gradient-step/softmax, with: { eta: 1.0e308 }' })
  const pipeline = await Pipeline.load('p.yaml')
  const expected = await errorOf(run(pipeline, { kernel: 'reference', out: 'a' }))
  t.match(expected, ['DIVERGED', /step (\d+)/])
  const step = Number(/step (\d+)/.exec(expected[1])![1])
  const calls = await withLateKernel('reference', AHEAD, async () => {
    t.strictSame(await errorOf(run(pipeline, { kernel: 'webgpu', out: 'b' })), expected)
  })
  t.ok(calls.steps <= step + AHEAD, `${calls.steps} steps, the loss of ${step} was wrong`)
  t.strictSame(readFileSync('b/metrics.csv'), readFileSync('a/metrics.csv'), 'no row after it')
})

t.test('programs see parameters as they are, and never those of another step', async (t) => {
  folder(t, cases.sgd!)
  const pipeline = await Pipeline.load('p.yaml')
  const plain: unknown[] = []
  const running = start(pipeline, { kernel: 'reference', out: 'c' })
  const seen = (into: unknown[]) => (table: Parameters<typeof modelOf>[0]) => {
    into.push([positionOf(table).step, ...Object.values(arraysOf(modelOf(table))).map((values) => values.slice())])
    return []
  }
  running.wires.every('model', seen(plain)).subscribe()
  await errorOf(running.result)
  await withLateKernel('reference', AHEAD, async () => {
    const late: unknown[] = []
    const some: unknown[] = []
    const all = start(pipeline, { kernel: 'webgpu', out: 'a' })
    all.wires.every('model', seen(late)).subscribe()
    await all.result
    const few = start(pipeline, { kernel: 'webgpu', out: 'b' })
    const latest = lastValueFrom(
      few.wires.latest('model').pipe(
        tap(({ value }) => seen(some)(value)),
        toArray(),
      ),
    )
    await few.result
    const passed = await latest
    t.ok(some.length > 2)
    t.ok(passed.reduce((sum, { skipped }) => sum + 1 + skipped, 0) <= 41, 'those that passed by are counted')
    t.strictSame(late, plain)
    const known = new Set(plain.map(String))
    t.ok(some.every((row) => known.has(String(row))))
  })
})

t.test('a stage that reads what it has not asked for is told so', async (t) => {
  folder(t, cases.sgd!)
  const peeking = defineStage({
    name: 'peeking',
    summary: 'Reads every table, and asks for the last.',
    options: z.strictObject({}),
    inputs: { parameters: wire.parameters },
    outputs: {},
    example: '',
    asks: () => ({ parameters: { arrays: 'last' } }),
    run: () => (parameters) =>
      parameters.pipe(
        map((table) => modelOf(table).arrays),
        ignoreElements(),
      ),
  })
  const pipeline = (await Pipeline.load('p.yaml')).insertAfter('model', { use: peeking, id: 'peek', from: 'model' })
  await run(pipeline, { kernel: 'reference', out: 'a' })
  await withLateKernel('reference', AHEAD, async () => {
    t.match(await errorOf(run(pipeline, { kernel: 'webgpu', out: 'b' })), [
      'STAGE',
      /peeking: the parameters of step 1 are on/,
    ])
  })
})

t.test('a device that is lost ends the run, and its last checkpoint is good', async (t) => {
  const cwd = folder(t, cases.momentum!)
  const pipeline = await Pipeline.load('p.yaml')
  await run(pipeline, { kernel: 'wasm', out: 'a' })
  await withLateKernel(
    'wasm',
    AHEAD,
    async () => {
      t.match(await errorOf(run(pipeline, { kernel: 'webgpu', out: 'b' })), [
        'KERNEL',
        /gradient-step\/softmax: the device is lost/,
      ])
      t.equal((JSON.parse(readFileSync('b/run.json', 'utf8')) as RunRecord).status, 'failed')
      t.ok(readdirSync('b/checkpoint').length > 0)
    },
    18,
  )
  await resume('b', { kernel: 'wasm' }).result
  t.strictSame(differingFiles(join(cwd, 'a'), join(cwd, 'b')), [])
})

t.test('what cannot wait for a device says so', async (t) => {
  const cwd = folder(t, { ...cases.sgd!, more: 'parallel: { engine: local }\n' })
  await run((await Pipeline.load('p.yaml')).undivided(), { kernel: 'reference', out: 'a' })
  await withLateKernel('reference', AHEAD, async () => {
    t.match(await errorOf(run(await Pipeline.load('p.yaml'), { kernel: 'webgpu', out: 'b' })), [
      'KERNEL',
      /a divided run adds up .*; leave parallel out of the definition, or take --kernel native/,
    ])
    t.match(await errorOf(loadModel(join(cwd, 'a'), { kernel: 'webgpu' })), [
      'ARGUMENTS',
      /predict is synchronous, and the webgpu kernel answers later; leave kernel out, or name one of native, wasm/,
    ])
  })
})
