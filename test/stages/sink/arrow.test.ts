import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { RecordBatchReader, type Table, tableFromIPC } from 'apache-arrow'
import { concat, EMPTY, NEVER, of, throwError } from 'rxjs'
import t from 'tap'
import {
  exampleFields,
  examplesTable,
  kernelRows,
  metricsRows,
  metricsTable,
  modelOf,
} from '../../../dist/pipeline/stage-kit.js'
import { openFilesIn, openStage, runStage } from '../harness.js'
import { countedBatches, parameters } from '../tables.js'

const entry = '- use: sink/arrow\n  with: { path: out.arrows }'
const at = (step: number) => ({ epoch: step, step: 10 * step, epochs: 3, steps: 10 })
const metrics = [1, 2, 3].map((step) => metricsTable(at(step), { loss: 1 / step, accuracy: step / 3 }))
const column = (table: Table, name: string) => [...table.getChild(name)!].map(Number)

t.test('metrics read back row by row, to the last bit', async (t) => {
  const { directory } = await runStage(t, entry, { tables: metrics })
  const read = tableFromIPC(readFileSync(join(directory, 'out.arrows')))
  t.strictSame(metricsRows(read), metrics.flatMap(metricsRows))
})

t.test('tables whose position is metadata get it as columns', async (t) => {
  const tables = [1, 2].map((step) => parameters([[step], [-step]], [0, step], at(step)))
  const { directory } = await runStage(t, entry, { tables })
  const read = tableFromIPC(readFileSync(join(directory, 'out.arrows')))
  t.strictSame(read.schema.names, ['epoch', 'step', 'eta', 'draw', 'name', 'shape', 'values'])
  t.strictSame(
    [column(read, 'epoch'), column(read, 'step')],
    [
      [1, 1, 2, 2],
      [10, 10, 20, 20],
    ],
  )
  t.strictSame(
    modelOf(read).arrays.map(({ name, values }) => [name, [...values]]),
    [
      ['W', [1, -1]],
      ['b', [0, 1]],
      ['W', [2, -2]],
      ['b', [0, 2]],
    ],
  )
  t.strictSame(
    ['epoch', 'step'].map((key) => read.schema.metadata.get(key)),
    [undefined, undefined],
    'not of one table only',
  )
})

t.test('batches read back with their features and labels', async (t) => {
  const batches = countedBatches([2, 1], 1)
  const { directory } = await runStage(t, entry, { tables: batches })
  const read = tableFromIPC(readFileSync(join(directory, 'out.arrows')))
  t.strictSame(column(read, 'step'), [1, 1, 2])
  t.strictSame([...kernelRows(read).values], [0, 1, 10, 11, 20, 21])
  t.strictSame([...kernelRows(read).labels], [0, 1, 2])
})

t.test('examples keep their split, though the schema is written once', async (t) => {
  const fields = exampleFields({ shape: [1], classes: ['a', 'b'] }, new Uint8Array(0))
  const rows = (split: string, ...values: number[]) =>
    examplesTable(fields, Uint8Array.from(values), new Int32Array(values.length), split)
  const { directory } = await runStage(t, entry, { tables: [rows('train', 1, 2), rows('tést', 3)] })
  const read = tableFromIPC(readFileSync(join(directory, 'out.arrows')))
  t.strictSame(read.schema.names, ['epoch', 'step', 'split', 'features', 'label'])
  t.strictSame([...read.getChild('split')!], ['train', 'train', 'tést'])
  t.equal(read.schema.metadata.get('split'), undefined, 'not that of one table only')
  t.strictSame([...kernelRows(read).values], [1, 2, 3])
})

t.test('each table is on disk as soon as it passes; a file cut off reads up to its last whole table', (t) => {
  const { directory, tables } = openStage(t, entry, { tables: concat(of(...metrics), NEVER) })
  const subscription = tables.subscribe()
  const bytes = readFileSync(join(directory, 'out.arrows'))
  subscription.unsubscribe()
  t.strictSame(openFilesIn(directory) ?? [], [])
  t.strictSame(metricsRows(tableFromIPC(bytes)), metrics.flatMap(metricsRows))
  let rows = 0
  t.throws(() => {
    for (const batch of RecordBatchReader.from(bytes.subarray(0, bytes.length - 20))) rows += batch.numRows
  })
  t.equal(rows, 2)
  t.end()
})

t.test('no tables give an empty file; an error is passed on', async (t) => {
  t.equal(readFileSync(join((await runStage(t, entry, { tables: EMPTY })).directory, 'out.arrows')).length, 0)
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { tables: throwError(() => error) }), error)
})
