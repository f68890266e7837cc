import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { of } from 'rxjs'
import t, { type Test } from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'

const entry = (options: string) => `- use: stop/patience\n  from: metrics\n  with: { ${options} }`
const rows = (values: readonly number[], name = 'validation_cost', better: 'higher' | 'lower' = 'lower') =>
  values.map((value, i) =>
    metricsTable(
      { epoch: i + 1, step: 10 * (i + 1), epochs: 9, steps: 10 },
      { [name]: value },
      { [name]: { name, title: name, better } },
    ),
  )
const stopped = async (
  t: Test,
  options: string,
  values: readonly number[],
  ...metric: [name?: string, better?: 'higher' | 'lower']
): Promise<readonly string[]> => (await runStage(t, entry(options), { metrics: of(...rows(values, ...metric)) })).stops

t.test('stop/patience stops after so many evaluations in a row without a better one', async (t) => {
  t.strictSame(await stopped(t, 'patience: 2', [3, 2, 2, 2.5, 1, 9, 9, 9]), [
    'validation_cost has not become better for 2 evaluations; the best was 2 in epoch 2',
    'validation_cost has not become better for 2 evaluations; the best was 1 in epoch 5',
    'validation_cost has not become better for 2 evaluations; the best was 1 in epoch 5',
  ])
  t.strictSame(await stopped(t, 'patience: 2', [3, 2, 2, 1, 1, 0.5]), [])
})

t.test('the metric says which direction is better, whatever its name is', async (t) => {
  for (const name of ['test_accuracy', 'f1', 'test_cost', 'auc']) {
    const options = `monitor: ${name}, patience: 1`
    t.strictSame(await stopped(t, options, [0.1, 0.2, 0.3], name, 'higher'), [])
    t.equal((await stopped(t, options, [0.3, 0.2], name, 'higher')).length, 1)
    t.strictSame(await stopped(t, options, [0.3, 0.2, 0.1], name, 'lower'), [])
    t.equal((await stopped(t, options, [0.2, 0.3], name, 'lower')).length, 1)
  }
})

t.test('a metric that does not say which direction is better is an error, also through a file', async (t) => {
  const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
  const silent = { name: 'seconds', title: 'seconds' }
  const made = metricsTable(position, { seconds: 3 }, { seconds: silent })
  const bare = metricsTable(position, { seconds: 3 })
  for (const table of [made, bare, tableFromIPC(tableToIPC(made, 'file'))])
    t.strictSame(await errorOf(runStage(t, entry('monitor: seconds'), { metrics: of(table) })), [
      'DATA',
      'the metric "seconds" does not say whether higher or lower is better; the stage that makes it must: metricsTable(position, values, { seconds: { name, title, better: \'higher\' } })',
    ])
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
  t.equal(
    await problemsOf(t, pipeline.join('\n')),
    'pipeline.yaml:12:22  stages[4] stop/patience: monitor: no metric named "validation_cost" is computed; metrics: train_loss, train_cost, train_accuracy, test_loss, test_cost, test_accuracy',
  )
  t.match(
    await problemsOf(t, pipeline.join('\n').replace('validation_cost', 'test_acuracy')),
    /monitor: no metric named "test_acuracy" is computed; did you mean "test_accuracy"\?$/,
  )
  await t.rejects(
    openStage(t, entry('monitor: train_cots'), { metrics: rows([1]) }).tables.forEach(() => {}),
    {
      code: 'DATA',
      message: 'no metric named "train_cots" arrived; there are validation_cost',
    },
  )
})
