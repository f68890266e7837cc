import { of } from 'rxjs'
import t, { type Test } from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { openStage, problemsOf, runStage } from '../harness.js'

const entry = (options: string) => `- use: stop/patience\n  from: metrics\n  with: { ${options} }`
const rows = (values: readonly number[], name = 'validation_cost') =>
  values.map((value, i) => metricsTable({ epoch: i + 1, step: 10 * (i + 1), epochs: 9, steps: 10 }, { [name]: value }))
const stopped = async (
  t: Test,
  options: string,
  values: readonly number[],
  name?: string,
): Promise<readonly string[]> => (await runStage(t, entry(options), { metrics: of(...rows(values, name)) })).stops

t.test('stop/patience stops after so many evaluations in a row without a better one', async (t) => {
  t.strictSame(await stopped(t, 'patience: 2', [3, 2, 2, 2.5, 1, 9, 9, 9]), [
    'validation_cost has not become better for 2 evaluations; the best was 2 in epoch 2',
    'validation_cost has not become better for 2 evaluations; the best was 1 in epoch 5',
    'validation_cost has not become better for 2 evaluations; the best was 1 in epoch 5',
  ])
  t.strictSame(await stopped(t, 'patience: 2', [3, 2, 2, 1, 1, 0.5]), [])
})

t.test('accuracies become better by growing', async (t) => {
  const options = 'monitor: test_accuracy, patience: 1'
  t.strictSame(await stopped(t, options, [0.1, 0.2, 0.3], 'test_accuracy'), [])
  t.equal((await stopped(t, options, [0.3, 0.2], 'test_accuracy')).length, 1)
})

t.test('minDelta says how much better counts; what is no number is not better', async (t) => {
  t.equal((await stopped(t, 'patience: 1, minDelta: 0.5', [3, 2.6])).length, 1)
  t.match(await stopped(t, 'patience: 2', [Number.NaN, Number.NaN]), [/it never was a number$/])
})

t.test('a metric that cannot be there is refused before the run, one that is not there during it', async (t) => {
  const pipeline = [
    '- use: load/digits',
    '- use: batch/rows\n  with: { split: train, size: 9, epochs: 1 }',
    '- use: gradient-step/softmax\n  with: { eta: 0.1 }',
    '- use: evaluate/classification\n  from: { parameters: softmax, examples: digits }\n  with: { splits: [train, test] }',
    entry('monitor: validation_cost').replace('from: metrics', 'from: classification'),
  ]
  t.match(
    await problemsOf(t, pipeline.join('\n')),
    /monitor: "validation_cost" is no metric of the splits that are evaluated: train and test$/,
  )
  await t.rejects(
    openStage(t, entry('monitor: train_cots'), { metrics: rows([1]) }).tables.forEach(() => {}),
    {
      code: 'DATA',
      message: 'no metric named "train_cots" arrived; there are validation_cost',
    },
  )
})
