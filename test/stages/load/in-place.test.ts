import { join } from 'node:path'
import {
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  Table,
  tableToIPC,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import t, { type Test } from 'tap'
import { kernelRows, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, runStage, temporary } from '../harness.js'
import { parquetOf } from './table-files.js'

const ROWS = 1500

/** Rows of more and of less numbers than are moved one by one; the wide ones fill several blocks of a mebibyte. */
const WIDTHS = { narrow: 3, wide: 200 }

const weights = Float32Array.from({ length: ROWS }, (_, i) => (i % 9) / 4)
const groups = Int32Array.from({ length: ROWS }, (_, i) => (i * 7) % 40)
const labels = Int32Array.from({ length: ROWS }, (_, i) => (i * i) % 3)
const valueAt = (row: number, j: number): number => Math.fround(row + j / 256)
const column = (j: number): Float32Array => Float32Array.from({ length: ROWS }, (_, i) => valueAt(i, j))
const perRow = { weight: weights, group: groups, label: labels }
const required = { repetition_type: 'REQUIRED' } as const

function parquetFile(width: number, isOptional = false, codec?: 'UNCOMPRESSED'): Uint8Array {
  const repetition_type = isOptional ? 'OPTIONAL' : 'REQUIRED'
  const features = Array.from({ length: width }, (_, j) => column(j))
  return parquetOf(
    400,
    [
      ...features.map((data, j) => [{ name: `x${j}`, type: 'FLOAT', repetition_type }, data] as const),
      [{ name: 'weight', type: 'FLOAT', ...required }, weights],
      [{ name: 'group', type: 'INT32', ...required }, groups],
      [{ name: 'label', type: 'INT32', ...required }, labels],
    ],
    1000,
    codec,
  )
}

function imagesFile(): Uint8Array {
  const type_length = 700
  const rows = Array.from({ length: ROWS }, (_, i) => new Uint8Array(type_length).map((_, j) => i + j * 3))
  return parquetOf(400, [
    [{ name: 'image', type: 'FIXED_LEN_BYTE_ARRAY', type_length, ...required }, rows],
    [{ name: 'weight', type: 'FLOAT', ...required }, weights],
    [{ name: 'label', type: 'INT32', ...required }, labels],
  ])
}

/** A file of three record batches. */
function arrowFile(columns: Readonly<Record<string, Vector>>): Uint8Array {
  const table = new Table({
    ...columns,
    ...Object.fromEntries(Object.entries(perRow).map(([k, v]) => [k, vectorOf(v)])),
  })
  return tableToIPC(table.slice(0, 400).concat(table.slice(400, 1100), table.slice(1100)), 'file')
}

const vectorOf = (data: Float32Array | Int32Array): Vector =>
  vectorFromArray(data as Float32Array, (data instanceof Int32Array ? new Int32() : new Float32()) as Float32)

function listsFile(width: number): Uint8Array {
  const type = new FixedSizeList(width, new Field('item', new Float32(), false))
  const data = Float32Array.from({ length: ROWS * width }, (_, i) => valueAt(Math.floor(i / width), i % width))
  const child = makeData({ type: new Float32(), data })
  return arrowFile({ features: new Vector([makeData({ type, length: ROWS, nullCount: 0, child })]) })
}

const columnsOf = (width: number) =>
  Object.fromEntries(Array.from({ length: width }, (_, j) => [`x${j}`, vectorOf(column(j))]))

const files: Readonly<Record<string, () => Uint8Array>> = {
  'narrow.parquet': () => parquetFile(WIDTHS.narrow),
  'wide.parquet': () => parquetFile(WIDTHS.wide),
  'unpacked.parquet': () => parquetFile(WIDTHS.wide, false, 'UNCOMPRESSED'),
  'optional.parquet': () => parquetFile(WIDTHS.narrow, true),
  'images.parquet': imagesFile,
  'wide.arrow': () => arrowFile(columnsOf(WIDTHS.wide)),
  'lists.arrow': () => listsFile(WIDTHS.wide),
}

/** The rows of each split, whose tables may be pieces. */
function splitsIn(tables: readonly Table[]) {
  return [...new Set(tables.map(splitOf))].map((split) => {
    const rows = tables.filter((table) => splitOf(table) === split).map(kernelRows)
    const joined = (name: 'values' | 'labels' | 'row' | 'weight') =>
      Buffer.concat(rows.map((each) => Buffer.from(Uint8Array.from(bytesOf(each[name]))))).toString('base64')
    return [split, joined('values'), joined('labels'), joined('row'), joined('weight')]
  })
}

const bytesOf = (data: ArrayBufferView | undefined): Uint8Array =>
  data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(0)

/** Compares splits that are where the rows were written with those that were made from pieces. Returns how many memories they lie in. */
async function memoriesOf(t: Test, entry: string): Promise<number> {
  const { tables } = await runStage(t, entry)
  const pieces = await runStage(t, entry, {}, { asked: { pieces: true } })
  t.ok(tables.length > 0)
  t.strictSame(splitsIn(tables), splitsIn(pieces.tables), entry)
  return new Set(tables.map((table) => kernelRows(table).values.buffer)).size
}

for (const [name, bytes] of Object.entries(files))
  t.test(`${name}: splits are where the rows were written`, async (t) => {
    const path = join(temporary(t, { [name]: bytes() }), name)
    const stage = `- use: load/${name.split('.')[1]}\n  with:`
    const common = name === 'images.parquet' || name === 'lists.arrow' ? 'label: label' : 'label: label, drop: [group]'
    const select = name === 'lists.arrow' ? ', select: [features]' : ''
    for (const division of [
      'assign: order',
      'stratify: true',
      'fractions: { train: 100, test: rest }, assign: order',
      'folds: 3, fold: 1',
      'seed: 3, fractions: { a: 0.3, b: 0.5, c: 0.2 }',
    ]) {
      const own = `${stage} { path: ${path}, ${common}${select}, weight: weight, ${division} }`
      t.equal(await memoriesOf(t, own), 1, division)
    }
    const twice = `${stage} { files: { train: [${path}, ${path}], test: ${path} }, ${common}${select}, weight: weight }`
    t.equal(await memoriesOf(t, twice), 1, 'files')
    const others = `${stage} { path: ${path}, ${common}${select}, weight: weight, fractions: { train: 0.5, test: 0.2 } }`
    t.equal(await memoriesOf(t, others), 2, 'rows in no split are not kept')
  })

t.test('groups stay together, and rows that may be left out are copied', async (t) => {
  const path = join(temporary(t, { 'a.parquet': files['narrow.parquet']!() }), 'a.parquet')
  const grouped = `- use: load/parquet\n  with: { path: ${path}, label: label, weight: weight, group: group`
  t.equal(await memoriesOf(t, `${grouped} }`), 1)
  t.equal(await memoriesOf(t, `${grouped}, assign: hash }`), 1)
  t.equal(await memoriesOf(t, `${grouped}, missing: drop }`), 3)
  t.equal(await memoriesOf(t, `${grouped}, missing: mean }`), 3)
})

t.test('memory counts rows once, before they are read', async (t) => {
  const path = join(temporary(t, { 'a.parquet': files['wide.parquet']!() }), 'a.parquet')
  const entry = `- use: load/parquet\n  with: { path: ${path}, label: label, drop: [group, weight] }`
  const bytes = ROWS * (WIDTHS.wide * 4 + 4)
  t.equal((await runStage(t, entry, {}, { memory: bytes })).tables.length, 3)
  t.match(await errorOf(runStage(t, entry, {}, { memory: bytes - 1 })), [
    'DATA',
    /1500 rows of 200 features need .*; put cache\/arrow behind the load stage/,
  ])
})
