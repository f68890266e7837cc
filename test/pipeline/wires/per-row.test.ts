import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import {
  batchOfShards,
  exampleFields,
  examplesTable,
  fieldsOf,
  gatherPerRow,
  kernelRows,
  layoutOf,
  rowsByShard,
  ShardBuffer,
  slicePerRow,
  standardisedRows,
  storedRows,
} from '../../../dist/pipeline/stage-kit.js'
import { batches, examples } from '../../../dist/pipeline/wires/plain-rows.js'

const values = [[1], [2], [3], [4]]
const plain = { values, labels: [0, 1, 0, 1], weights: [1, 2, 0, 4], rows: [7, 3, 5, 1] }

t.test('number and weight of a row are columns of the table, and survive files, slices and joins', async (t) => {
  const table = examples(plain)
  t.strictSame(table.schema.names, ['features', 'label', 'row', 'weight'])
  t.equal(layoutOf(table).weighted, true)
  const said = { row: Int32Array.of(7, 3, 5, 1), weight: Float32Array.of(1, 2, 0, 4) }
  const read = tableFromIPC(tableToIPC(table))
  t.equal(layoutOf(read).weighted, true)
  for (const each of [table, read]) {
    t.match(kernelRows(each), said)
    t.strictSame(storedRows(each).perRow, said)
    t.strictSame(standardisedRows(each).perRow, said)
  }
  t.strictSame(storedRows(table.slice(1, 3)).perRow, slicePerRow(said, 1, 3))
  const [first, last] = batches(plain, { size: 2 })
  t.strictSame(storedRows(first!.concat(last!)).perRow, said, 'several chunks are joined')
  t.strictSame(gatherPerRow(said, [3, 0]), { row: Int32Array.of(1, 7), weight: Float32Array.of(4, 1) })
  t.equal(storedRows(examples({ values })).perRow, undefined, 'they are optional')
  t.strictSame(examples({ values, rows: [1, 2, 3, 4] }).schema.names, ['features', 'label', 'row'])
})

t.test('whoever makes a table without the weights that its fields promise is told', async (t) => {
  const { stored, labels, fields } = storedRows(examples(plain))
  t.throws(() => examplesTable(fields, stored, labels, 'train'), {
    name: 'TypeError',
    message: /fields are for rows with weights, got none; .*storedRows\(table\)\.perRow/,
  })
  const unweighted = fieldsOf(examples({ values }))
  const make = (perRow: object) => () =>
    examplesTable(unweighted, stored, labels, 'train', undefined, undefined, perRow)
  t.throws(make({ weight: new Float32Array(4) }), { name: 'TypeError', message: /exampleFields\(\{ …, weighted: true/ })
  t.throws(make({ row: new Int32Array(3) }), { name: 'TypeError', message: /4 rows need 4 entries of "row", got 3$/ })
  t.throws(() => examples({ values, weights: [1] }), { message: 'weights: expected one for each of the 4 rows, got 1' })
})

t.test('shards keep both, each its own', async (t) => {
  const shares = { isDivided: true, shards: 2, own: [0, 1] }
  const fields = exampleFields({ shape: [1], classes: ['a', 'b'], weighted: true }, new Float32Array(0))
  const dealt = new ShardBuffer(shares, 3, 1, (length) => new Float32Array(length), ['row', 'weight'])
  for (const i of [0, 1, 2]) dealt.put(i, [i], 0, 10 + i, i / 2)
  const shards = rowsByShard([...dealt.tables(fields, 'train')], 'train', shares).map(([rows]) => rows!)
  const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
  const batch = batchOfShards(fields, shards, 'train', position, { first: 0, rows: 3 }, shares)
  t.strictSame(storedRows(batch).perRow, { row: Int32Array.of(10, 12, 11), weight: Float32Array.of(0, 1, 0.5) })
  for (const weight of [-1, Number.NaN, 1e300])
    t.throws(() => dealt.put(0, [0], 0, 10, weight), {
      code: 'DATA',
      message: `row 10: expected a weight of 0 or more that float32 can hold, got ${weight}`,
    })
})
