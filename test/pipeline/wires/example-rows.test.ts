import t from 'tap'
import {
  exampleFields,
  examplesTable,
  fieldsOf,
  inputMapOf,
  layoutOf,
  readRow,
  rowsOf,
  standardisedRows,
  storedRows,
} from '../../../dist/pipeline/stage-kit.js'
import { kernelRows } from '../../../dist/pipeline/wires/examples.js'

const affine = { mean: Float64Array.of(100, 0), scale: Float64Array.of(0.25, 0) }
const bytes = Uint8Array.of(100, 7, 0, 255)
const labels = Int32Array.of(1, 0)
const layout = { shape: [2], classes: ['a', 'b'] }
const made = (values: Uint8Array | Float32Array, map?: object) =>
  examplesTable(exampleFields({ ...layout, ...map }, values), values, labels, 'train')

t.test('stored rows are what is stored, with the map that is still to be applied', async (t) => {
  for (const values of [bytes, Float32Array.from(bytes)]) {
    const table = made(values)
    t.strictSame(storedRows(table), { stored: values, affine: undefined, labels, fields: fieldsOf(table) })
    t.equal(storedRows(table).stored, kernelRows(table).values, 'they are not copied')
  }
  t.strictSame(storedRows(made(bytes, { affine })).affine, affine)
  t.equal(storedRows(made(Float32Array.from(bytes), { applied: affine })).affine, undefined, 'floats are done')
})

t.test('standardised rows are what a learner sees, however they are stored', async (t) => {
  const expected = Float32Array.of(0, 0, -25, 0)
  const table = made(bytes, { affine })
  const rows = standardisedRows(table)
  t.strictSame(rows.values, expected)
  t.strictSame(rows.labels, labels)
  const row = new Float64Array(2)
  for (const i of [0, 1]) {
    readRow(kernelRows(table), i, row)
    t.strictSame(Array.from(row, Math.fround), Array.from(expected.subarray(2 * i, 2 * i + 2)))
  }
  t.strictSame(storedRows(table).stored, bytes, 'the table stays as it was')

  const floats = made(expected, { applied: affine })
  t.equal(standardisedRows(floats).values, storedRows(floats).stored, 'floats are not copied')
  t.equal(standardisedRows(floats).fields[0], fieldsOf(floats)[0])
  t.strictSame(standardisedRows(made(bytes)).values, Float32Array.from(bytes))
})

t.test('their fields make a table that trains to the same parameters', async (t) => {
  const table = made(bytes, { affine })
  const { values, fields } = standardisedRows(table)
  t.equal(standardisedRows(table).fields, fields, 'made once')
  const back = examplesTable(fields, values, labels, 'train')
  t.strictSame(layoutOf(back), { ...layout, affine: undefined, applied: affine })
  t.strictSame(inputMapOf(layoutOf(back)), inputMapOf(layoutOf(table)), 'an export has the map from the data as loaded')
  t.strictSame(standardisedRows(back).values, values, 'the map is not applied twice')
})

t.test('floats with a map that nothing would apply are refused, with what to do', async (t) => {
  const floats = Float32Array.from(bytes)
  t.throws(() => exampleFields({ ...layout, affine }, floats), {
    name: 'TypeError',
    message:
      'exampleFields: only uint8 features have a standardisation that is still to be applied (affine), ' +
      'got a Float32Array; standardisedRows(table) gives standardised floats and their fields',
  })
  t.throws(() => examplesTable(fieldsOf(made(bytes, { affine })), floats, labels, 'train'), {
    name: 'TypeError',
    message: /^examplesTable: the fields are for uint8 features, got a Float32Array; standardisedRows\(table\) gives/,
  })
})

t.test('rowsOf, which does not say what it holds, warns once of bytes that are not standardised', async (t) => {
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  t.strictSame(rowsOf(made(bytes)).values, bytes)
  await new Promise(setImmediate)
  t.strictSame(warnings, [])
  for (let i = 0; i < 3; i++) t.strictSame(rowsOf(made(bytes, { affine })), { values: bytes, labels, affine })
  await new Promise(setImmediate)
  process.off('warning', listen)
  t.strictSame(
    warnings.map(({ name, message }) => [name, message.split(';')[0]]),
    [['DeprecationWarning', 'rowsOf(table).values are bytes to which the standardisation is still to be applied']],
  )
})
