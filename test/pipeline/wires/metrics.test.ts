import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import { metricsRows, metricsTable } from '../../../dist/pipeline/wires/metrics.js'
import { positionOf } from '../../../dist/pipeline/wires/position.js'

const position = { epoch: 2, step: 7, epochs: 3, steps: 5 }
const metrics = { train_loss: 0.1 + 0.2, train_cost: Number.POSITIVE_INFINITY, test_loss: Number.NaN, tiny: 5e-324 }
const row = { epoch: 2, step: 7, ...metrics }

t.test('metrics keep every digit, their order and their position, through a file too', async (t) => {
  const table = metricsTable(position, metrics)
  for (const each of [table, tableFromIPC(tableToIPC(table, 'file'))]) {
    t.strictSame(metricsRows(each), [row])
    t.strictSame(Object.keys(metricsRows(each)[0]!), Object.keys(row))
    t.strictSame(positionOf(each), position)
    t.equal(each.schema.metadata.get('wire'), 'metrics')
  }
  t.ok(table.schema.fields.every((field) => !field.nullable))
})

t.test('everybody gets the same rows', async (t) => {
  const table = metricsTable(position, metrics)
  const read = tableFromIPC(tableToIPC(table, 'file'))
  for (const each of [table, read]) t.equal(metricsRows(each), metricsRows(each))
})

t.test('tables that follow each other are rows of one', async (t) => {
  const [a, b] = [1, 2].map((step) => metricsTable({ ...position, step }, { loss: step }))
  t.strictSame(metricsRows(a!.concat(b!)), [
    { epoch: 2, step: 1, loss: 1 },
    { epoch: 2, step: 2, loss: 2 },
  ])
})
