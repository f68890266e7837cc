import { chmodSync, readdirSync } from 'node:fs'
import { ignoreElements, tap } from 'rxjs'
import t from 'tap'
import { Pipeline, run, type StageSpec, start } from '../../../dist/index.js'
import { defineStage, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { inside } from '../../stages/harness.js'

function toy(end: readonly StageSpec[] = [], checkpoint?: string): Promise<Pipeline> {
  return Pipeline.define({
    name: 'toy',
    seed: 3,
    ...(checkpoint && { checkpoint: { every: checkpoint } }),
    stages: [
      { use: 'load/digits', with: { fractions: { train: 0.05, test: 0.05 } } },
      { id: 'examples', use: 'normalize/standardize' },
      { use: 'batch/rows', with: { size: 30, epochs: 3 } },
      { id: 'model', use: 'gradient-step/softmax', with: { eta: 0.01 } },
      { id: 'metrics', use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
      ...end,
    ],
  })
}

t.test('a run without a directory finds the same, and writes nothing', async (t) => {
  const cwd = t.testdir()
  inside(t, cwd)
  const { directory, record, history, parameters } = await run(await toy([], '1 steps'), { directory: false })
  t.equal(directory, '')
  t.match(record, { status: 'done', files: [] })
  t.notMatch(record, { timings: { checkpoints: 1 } })
  t.strictSame(readdirSync(cwd), [])
  const usual = await run(await toy())
  t.strictSame(history, usual.history)
  t.strictSame(parameters.W!.data, usual.parameters.W!.data)
})

t.test('it runs where nothing can be written, and stops on a signal', async (t) => {
  const cwd = t.testdir()
  inside(t, cwd)
  chmodSync(cwd, 0o555)
  const stop = new AbortController()
  const running = start(await toy(), { directory: false, signal: stop.signal })
  running.metrics.subscribe(() => stop.abort())
  await t.rejects(running.result, { code: 'ABORTED', message: 'stopped before its end' })
  chmodSync(cwd, 0o755)
  t.strictSame(readdirSync(cwd), [])
})

t.test('stages that write files are refused before anything runs, all of them by name', async (t) => {
  const cwd = t.testdir()
  inside(t, cwd)
  const pipeline = await toy([
    { use: 'sink/csv' },
    { use: 'sink/confusion', from: { parameters: 'model', examples: 'examples' }, with: { split: 'test' } },
    { use: 'sink/terminal', from: 'metrics' },
  ])
  const rest = 'but the run has no directory (directory: false); remove the stage, or leave the option out'
  await t.rejects(run(pipeline, { directory: false }), {
    code: 'DEFINITION',
    message: new RegExp(
      `^\\S+  stages\\[5\\] sink/csv: it writes metrics\\.csv, ${escaped(rest)}\\n` +
        `\\S+  stages\\[6\\] sink/confusion: it writes figures/confusion\\.\\S+, .*confusion\\.csv, ${escaped(rest)}$`,
    ),
  })
  t.strictSame(readdirSync(cwd), [])
  t.equal((await run(pipeline.remove('csv').remove('confusion'), { directory: false })).history.length, 3)
})

t.test('a stage that did not say which files it writes is refused when it asks for one', async (t) => {
  const cwd = t.testdir()
  inside(t, cwd)
  const own = defineStage({
    name: 'own',
    summary: 'Asks for a file.',
    options: z.strictObject({}),
    inputs: { metrics: wire.metrics },
    outputs: {},
    example: '- use: ./own.js',
    run: (_, context) => {
      context.file('own.txt')
      return (metrics) => metrics.pipe(tap(), ignoreElements())
    },
  })
  await t.rejects(run(await toy([{ use: own, from: 'metrics' }]), { directory: false }), {
    code: 'DEFINITION',
    message: /stages\[5\] own: it writes own\.txt, but the run has no directory \(directory: false\)/,
  })
  t.strictSame(readdirSync(cwd), [])
})

t.test('options that contradict it are refused', async (t) => {
  inside(t, t.testdir())
  const pipeline = await toy()
  const rest = 'it needs a run directory, and directory: false says that there is none; leave out one of the two'
  for (const options of [{ out: 'x' }, { force: true }, { checkpoint: 'epoch' }])
    await t.rejects(run(pipeline, { directory: false, ...options }), {
      code: 'ARGUMENTS',
      message: `${Object.keys(options)[0]}: ${rest}`,
    })
  await run(pipeline, { directory: false, checkpoint: 'none', force: false })
  for (const directory of [true, 'x', null])
    await t.rejects(run(pipeline, { directory: directory as never }), {
      code: 'ARGUMENTS',
      message: `directory: expected false or nothing, got ${JSON.stringify(directory)}; \`out\` names the run directory`,
    })
})

function escaped(text: string): string {
  return text.replace(/[()]/g, '\\$&')
}
