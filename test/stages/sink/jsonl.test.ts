import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { concat, EMPTY, NEVER, of, throwError } from 'rxjs'
import t from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { openFilesIn, openStage, runStage } from '../harness.js'

const entry = '- use: sink/jsonl'
const at = { epoch: 1, step: 10, epochs: 2, steps: 10 }
const one = metricsTable(at, { train_loss: 0.1, train_accuracy: 1 / 3 })

t.test('sink/jsonl writes an object per evaluation, to metrics.jsonl unless told otherwise', async (t) => {
  const { directory } = await runStage(t, entry, { metrics: [one, one] })
  const line = '{"epoch":1,"step":10,"train_loss":0.1,"train_accuracy":0.3333333333333333}\n'
  t.equal(readFileSync(join(directory, 'metrics.jsonl'), 'utf8'), line + line)
})

t.test('numbers that JSON does not know are strings', async (t) => {
  const { directory } = await runStage(t, entry, {
    metrics: [metricsTable(at, { a: Number.POSITIVE_INFINITY, b: Number.NEGATIVE_INFINITY, c: Number.NaN, d: 1e300 })],
  })
  t.strictSame(JSON.parse(readFileSync(join(directory, 'metrics.jsonl'), 'utf8')), {
    epoch: 1,
    step: 10,
    a: 'Infinity',
    b: '-Infinity',
    c: 'NaN',
    d: 1e300,
  })
})

t.test('each row is on disk as soon as it is known, and the file is closed where nobody listens any more', (t) => {
  const { directory, tables } = openStage(t, entry, { metrics: concat(of(one), NEVER) })
  const subscription = tables.subscribe()
  t.equal(readFileSync(join(directory, 'metrics.jsonl'), 'utf8').split('\n').length, 2)
  subscription.unsubscribe()
  t.strictSame(openFilesIn(directory) ?? [], [])
  t.end()
})

t.test('no metrics give an empty file; an error is passed on', async (t) => {
  t.equal(readFileSync(join((await runStage(t, entry, { metrics: EMPTY })).directory, 'metrics.jsonl'), 'utf8'), '')
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { metrics: throwError(() => error) }), error)
})
