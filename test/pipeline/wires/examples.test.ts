import { Table, tableFromArrays, tableFromIPC, tableToIPC } from 'apache-arrow'
import fc from 'fast-check'
import t from 'tap'
import {
  exampleFields,
  examplesTable,
  fieldsOf,
  inputMapOf,
  kernelRows,
  layoutOf,
  splitOf,
} from '../../../dist/pipeline/wires/examples.js'
import { positionOf, reposition } from '../../../dist/pipeline/wires/position.js'

const layout = { shape: [1, 2], classes: ['no', 'yes'] }
const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6)
const labels = Int32Array.of(0, 1, 1)
const table = examplesTable(exampleFields(layout, bytes), bytes, labels, 'train')

t.test('an examples table is a view: rows come back from the same memory', async (t) => {
  for (const values of [bytes, Float32Array.from(bytes)]) {
    const made = examplesTable(exampleFields(layout, values), values, labels, 'train')
    const rows = kernelRows(made)
    t.equal(made.numRows, 3)
    t.equal(rows.values.buffer, values.buffer)
    t.equal(rows.labels.buffer, labels.buffer)
    t.strictSame(rows.values, values)
    t.strictSame(rows.labels, labels)
    t.equal(rows.affine, undefined)
  }
})

t.test('memory may be shared between threads', async (t) => {
  const shared = new Uint8Array(new SharedArrayBuffer(6))
  shared.set(bytes)
  const made = examplesTable(exampleFields(layout, shared), shared, labels, 'train')
  t.equal(kernelRows(made).values.buffer, shared.buffer)
})

t.test('a table says its split, its kind and its layout', async (t) => {
  t.equal(splitOf(table), 'train')
  t.equal(table.schema.metadata.get('wire'), 'examples')
  t.equal(layoutOf(table), layout, 'the very object it was made with')
  t.equal(splitOf(new Table()), '')
})

t.test('a table with a position is a batch', async (t) => {
  const position = { epoch: 1, step: 2, epochs: 3, steps: 4 }
  const batch = examplesTable(fieldsOf(table), bytes, labels, 'train', position)
  t.equal(batch.schema.metadata.get('wire'), 'batch')
  t.strictSame(positionOf(batch), position)
  const moved = reposition(batch, { ...position, step: 3 })
  t.equal(positionOf(moved).step, 3)
  t.equal(positionOf(batch).step, 2, 'the table it was made from stays')
  t.equal(kernelRows(moved).values.buffer, bytes.buffer)
  t.equal(splitOf(moved), 'train')
  t.equal(layoutOf(moved), layout)
})

t.test('rows, layout and standardisation survive a file', async (t) => {
  const affine = { mean: Float64Array.of(0.1, 2), scale: Float64Array.of(1 / 3, 4) }
  const full = { shape: [1, 2], classes: ['é', 'with "quotes", and commas'], names: ['höhe', 'a, "b"'], affine }
  const made = examplesTable(exampleFields(full, bytes), bytes, labels, 'test')
  const back = tableFromIPC(tableToIPC(made, 'file'))
  t.strictSame(layoutOf(back), { ...full, applied: undefined })
  t.strictSame(kernelRows(back), { values: bytes, labels, affine })
  t.equal(splitOf(back), 'test')
})

t.test('a standardisation that floats have gone through is told, and not applied again', async (t) => {
  const floats = Float32Array.from(bytes)
  const applied = { mean: Float64Array.of(0.1, 2), scale: Float64Array.of(1 / 3, 0) }
  const made = examplesTable(exampleFields({ ...layout, applied }, floats), floats, labels, 'test')
  for (const each of [made, tableFromIPC(tableToIPC(made, 'file'))]) {
    t.strictSame(layoutOf(each).applied, applied)
    t.equal(layoutOf(each).affine, undefined)
    t.strictSame(kernelRows(each), { values: floats, labels, affine: undefined })
  }
})

t.test('the map of the inputs is the one still to be applied after the one applied', async (t) => {
  const [first, second] = [
    { mean: Float64Array.of(10, 20), scale: Float64Array.of(0.5, 2) },
    { mean: Float64Array.of(1, -1), scale: Float64Array.of(4, 0.25) },
  ]
  t.equal(inputMapOf(layout), undefined)
  t.equal(inputMapOf({ ...layout, affine: first }), first)
  t.equal(inputMapOf({ ...layout, applied: first }), first)
  const { mean, scale } = inputMapOf({ ...layout, affine: second, applied: first })!
  for (const x of [0, 7, 255])
    for (const j of [0, 1]) {
      const byHand = ((x - first.mean[j]!) * first.scale[j]! - second.mean[j]!) * second.scale[j]!
      t.ok(Math.abs((x - mean[j]!) * scale[j]! - byHand) < 1e-12 * Math.max(1, Math.abs(byHand)))
    }
})

t.test('slices and tables of several chunks read as their rows', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 5 }), fc.boolean(), (sizes, isBytes) => {
      let next = 0
      const made = (n: number) => (isBytes ? new Uint8Array(n) : new Float32Array(n))
      const fields = exampleFields(layout, made(0))
      const parts = sizes.map((size) => {
        const values = made(size * 2).map(() => next++)
        return examplesTable(
          fields,
          values,
          Int32Array.from({ length: size }, () => next),
          'train',
        )
      })
      const [first, ...others] = parts
      const table = first!.concat(...others)
      const joined = kernelRows(table)
      const read = kernelRows(tableFromIPC(tableToIPC(table, 'stream')))
      const expected = parts.map(kernelRows)
      t.strictSame(read, joined, 'also from a file')
      t.equal(joined.values instanceof Uint8Array, isBytes)
      t.strictSame(
        [...joined.values],
        expected.flatMap(({ values }) => [...values]),
      )
      t.strictSame(
        [...joined.labels],
        expected.flatMap(({ labels }) => [...labels]),
      )
    }),
    { numRuns: 50 },
  )
  const slice = kernelRows(table.slice(1, 3))
  t.strictSame([...slice.values], [3, 4, 5, 6])
  t.strictSame([...slice.labels], [1, 1])
})

t.test('a table of something else is refused by its columns', async (t) => {
  t.throws(() => fieldsOf(tableFromArrays({ a: [1], label: [2] })), {
    message: 'expected a table with the columns features and label, found a, label',
  })
  t.throws(() => fieldsOf(new Table()), { message: /found no columns$/ })
})
