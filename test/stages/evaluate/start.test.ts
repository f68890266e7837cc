import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, resume, run } from '../../../dist/index.js'
import { softmax } from '../../../dist/learners/index.js'
import { defineStage, wire } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, temporary } from '../harness.js'

const pipeline = (evaluation: string, epochs = 2) => `name: a
seed: 3
stages:
  - use: load/digits
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 300, epochs: ${epochs} }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.05, init: zeros }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: ${evaluation}
  - use: sink/csv
  - use: sink/best
    from: { parameters: model, metrics: metrics }
    with: { monitor: test_loss }
  - use: stop/patience
    from: metrics
    with: { monitor: test_loss, patience: 3 }
`

async function ran(t: Test, evaluation: string, epochs?: number) {
  const folder = temporary(t, { 'p.yaml': pipeline(evaluation, epochs) })
  const out = join(folder, 'run')
  const result = await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'reference' })
  return { ...result, lines: readFileSync(join(out, 'metrics.csv'), 'utf8').trim().split('\n') }
}

t.test('the untrained model is evaluated as step 0 of epoch 0, and nothing else changes', async (t) => {
  const [without, withStart] = [await ran(t, '{ splits: [test] }'), await ran(t, '{ splits: [test], start: true }')]
  const [head, ...rows] = without.lines
  t.strictSame([withStart.lines[0], ...withStart.lines.slice(2)], [head, ...rows], 'the other rows are as they were')
  const [first] = withStart.history
  t.match(first, { epoch: 0, step: 0 })
  t.ok(Math.abs(first!.test_loss! - Math.log(10)) < 1e-12, 'all classes are equally probable with zeros')
  t.strictSame(withStart.parameters, without.parameters)
  t.equal(withStart.record.timings!.steps, without.record.timings!.steps, 'it is no step')
  t.strictSame(withStart.history.length, 3)
})

t.test(
  'it is an evaluation as any other: the best may be the untrained model, and patience counts from it',
  async (t) => {
    const folder = temporary(t, {
      'p.yaml': pipeline('{ splits: [test], start: true }', 9).replace('eta: 0.05', 'eta: 5.0e+4'),
    })
    const out = join(folder, 'run')
    const { history, record } = await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'reference' })
    t.equal(history.length, 4)
    t.match(record.notes.at(-1), /test_loss has not become better for 3 evaluations; the best was 2\.30\d* in epoch 0$/)
  },
)

t.test('with every: n steps it is evaluated only if asked, and once', async (t) => {
  for (const [start, steps] of [
    [false, [2, 4, 6, 8, 10]],
    [true, [0, 2, 4, 6, 8, 10]],
  ] as const) {
    const { history } = await ran(t, `{ splits: [test], every: 2 steps, start: ${start} }`)
    t.strictSame(
      history.map(({ step }) => step),
      steps,
    )
  }
})

t.test('a run that is made longer has the same rows as a longer one', async (t) => {
  const folder = temporary(t, { 'p.yaml': pipeline('{ splits: [test], start: true }') })
  const out = join(folder, 'run')
  await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'reference' })
  await resume(out, { kernel: 'reference', set: ['rows.epochs=4'] }).result
  const { lines } = await ran(t, '{ splits: [test], start: true }', 4)
  t.strictSame(readFileSync(join(out, 'metrics.csv'), 'utf8').trim().split('\n'), lines)
})

t.test('a stage that does not give its first parameters is refused before the run', async (t) => {
  const mine = defineStage({
    name: 'train/mine',
    summary: 'Trains nothing.',
    options: softmax.options,
    inputs: { batches: wire.batch },
    outputs: { parameters: wire.parameters },
    learner: softmax,
    example: '- use: train/mine',
    run: () => (batches) => batches,
  })
  const [code, message] = await errorOf(
    Pipeline.define({
      name: 'a',
      stages: [
        { use: 'load/digits' },
        { use: 'batch/rows', with: { size: 300, epochs: 1 } },
        { use: mine },
        {
          use: 'evaluate/classification',
          from: { parameters: 'mine', examples: 'digits' },
          with: { start: true },
        },
      ],
    }),
  )
  t.equal(code, 'DEFINITION')
  t.match(
    message,
    /stages\[3\] evaluate\/classification: start: stages\[2\] train\/mine at code does not give its parameters before the first step; leave this out, or let the stage answer it \(answers: \['start'\]\)/,
  )
})
