import { EMPTY, throwError } from 'rxjs'
import t from 'tap'
import { runStage } from '../harness.js'
import { countedBatches } from '../tables.js'

t.test('shuffle/none passes on the very tables that come, in their order', async (t) => {
  const batches = countedBatches([2, 1], 2)
  const { tables } = await runStage(t, '- use: shuffle/none', { batches })
  t.equal(tables.length, 4)
  for (const [i, table] of tables.entries()) t.equal(table, batches[i])
})

t.test('shuffle/none passes on the end and an error', async (t) => {
  t.strictSame((await runStage(t, '- use: shuffle/none', { batches: EMPTY })).tables, [])
  const error = new Error('upstream')
  await t.rejects(runStage(t, '- use: shuffle/none', { batches: throwError(() => error) }), error)
})
