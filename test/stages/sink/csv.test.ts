import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { concat, EMPTY, NEVER, of, throwError } from 'rxjs'
import t from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { openFilesIn, openStage, problemsOf, runStage } from '../harness.js'

const entry = '- use: sink/csv\n  with: { path: m.csv }'
const at = (step: number) => ({ epoch: step, step: 10 * step, epochs: 2, steps: 10 })
const one = metricsTable(at(1), { train_loss: 0.1, train_accuracy: 1 / 3 })
const two = metricsTable(at(2), { train_loss: 1e-300, train_accuracy: 1 })

t.test('sink/csv writes the names of the columns, then a row per evaluation', async (t) => {
  const { directory, tables } = await runStage(t, entry, { metrics: [one, two] })
  t.strictSame(tables, [])
  t.equal(
    readFileSync(join(directory, 'm.csv'), 'utf8'),
    'epoch,step,train_loss,train_accuracy\n1,10,0.1,0.3333333333333333\n2,20,1e-300,1\n',
  )
})

t.test('numbers read back to the same double; overflowed ones stand as they are', async (t) => {
  const values = [0.1 + 0.2, 5e-324, 1.7976931348623157e308, 2 / 3, -1e21, Infinity, -Infinity, NaN]
  const { directory } = await runStage(t, entry, { metrics: values.map((x) => metricsTable(at(1), { x })) })
  const [, ...lines] = readFileSync(join(directory, 'm.csv'), 'utf8').trim().split('\n')
  t.strictSame(
    lines.map((line) => Number(line.split(',')[2])),
    values,
  )
})

t.test('a name with a comma is quoted', async (t) => {
  const { directory } = await runStage(t, entry, { metrics: [metricsTable(at(1), { 'a,b': 1 })] })
  t.equal(readFileSync(join(directory, 'm.csv'), 'utf8'), 'epoch,step,"a,b"\n1,10,1\n')
})

t.test('each row is on disk as soon as it is known, and the file is closed where nobody listens any more', (t) => {
  const { directory, tables } = openStage(t, entry, { metrics: concat(of(one), NEVER) })
  const subscription = tables.subscribe()
  t.equal(readFileSync(join(directory, 'm.csv'), 'utf8').split('\n').length, 3)
  subscription.unsubscribe()
  t.strictSame(openFilesIn(directory) ?? [], [])
  t.end()
})

t.test('no metrics give an empty file; an error is passed on and leaves the rows that came', async (t) => {
  t.equal(readFileSync(join((await runStage(t, entry, { metrics: EMPTY })).directory, 'm.csv'), 'utf8'), '')
  const error = new Error('upstream')
  const { directory, tables } = openStage(t, entry, {
    metrics: concat(
      of(one),
      throwError(() => error),
    ),
  })
  await t.rejects(
    tables.forEach(() => {}),
    error,
  )
  t.equal(readFileSync(join(directory, 'm.csv'), 'utf8').split('\n').length, 3)
})

t.test('every sink rejects a path outside the run directory before any data is read', async (t) => {
  const above = [
    '- id: examples\n  use: load/digits',
    '- use: batch/rows\n  with: { size: 10, epochs: 1 }',
    '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }',
    '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n',
  ].join('\n')
  const sinks = { 'sink/csv': 'metrics', 'sink/jsonl': 'metrics', 'sink/arrow': 'examples', 'sink/parameters': 'model' }
  for (const [use, from] of Object.entries(sinks))
    for (const [path, help] of [
      ['/etc/m', '; --allow-absolute-paths permits it'],
      ['../m', ''],
      ['a/../../m', ''],
      ['C:m', ''],
    ])
      t.equal(
        await problemsOf(t, `${above}- use: ${use}\n  from: ${from}\n  with: { path: "${path}" }`),
        `pipeline.yaml:14:19  stages[4] ${use}: path: expected a path inside the run directory: relative, without "..", got "${path}"${help}`,
      )
  t.equal(
    await problemsOf(t, `${above}- use: sink/terminal\n  from: metrics\n  with: { path: x }`),
    'pipeline.yaml:14:13  stages[4] sink/terminal: unknown option "path"',
  )
})
