import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  Table,
  tableToIPC,
  Uint8,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import t from 'tap'
import { kernelRows } from '../../../dist/pipeline/stage-kit.js'
import { runStage, temporary } from '../harness.js'
import { labelsIn } from '../tables.js'
import { parquetOf } from './table-files.js'

/** Rows of which sixteen fill a block, so that most blocks lie in the file's own memory. */
const WIDTH = 1 << 16
const ROWS = 40
const values = Uint8Array.from({ length: ROWS * WIDTH }, (_, i) => (i >> 16) * 7 + (i & 0xffff) * 3)
const labels = Int32Array.from({ length: ROWS }, (_, i) => i % 3)
const rowsOf = <A extends Uint8Array | Float32Array>(all: A): A[] =>
  Array.from({ length: ROWS }, (_, i) => {
    const width = all.length / ROWS
    return all.subarray(i * width, (i + 1) * width) as A
  })

/** An Arrow file of two batches with a column of lists of one length. */
function arrowOf(all: Uint8Array | Float32Array): Uint8Array {
  const width = all.length / ROWS
  const number = all instanceof Uint8Array ? new Uint8() : new Float32()
  const type = new FixedSizeList(width, new Field('item', number, false))
  const part = (from: number, to: number): Table => {
    const child = makeData({ type: number as Uint8, data: all.subarray(from * width, to * width) as Uint8Array })
    const features = new Vector([makeData({ type, length: to - from, nullCount: 0, child })])
    return new Table({ features, label: vectorFromArray(labels.subarray(from, to), new Int32()) })
  }
  return tableToIPC(part(0, 7).concat(part(7, ROWS)), 'file')
}

const floats = Float32Array.from(values.subarray(0, (ROWS * WIDTH) / 4), (value) => value / 8)
const image = { name: 'image', type: 'FIXED_LEN_BYTE_ARRAY', type_length: WIDTH, repetition_type: 'REQUIRED' } as const
const label = { name: 'label', type: 'INT32', repetition_type: 'REQUIRED' } as const
const id = { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' } as const
const files: Record<string, [stage: string, file: Uint8Array, rows: readonly (Uint8Array | Float32Array)[]]> = {
  'bytes of fixed length': [
    'parquet',
    parquetOf(19, [
      [image, rowsOf(values)],
      [label, labels],
    ]),
    rowsOf(values),
  ],
  'lists of bytes': ['arrow', arrowOf(values), rowsOf(values)],
  'lists of float32': ['arrow', arrowOf(floats), rowsOf(floats)],
}

for (const [name, [stage, file, rows]] of Object.entries(files))
  t.test(`${name}: long rows come as they are, in any order`, async (t) => {
    const path = join(temporary(t, { data: file }), 'data')
    for (const assign of ['order', 'random']) {
      const entry = `- use: load/${stage}\n  with: { path: ${path}, fractions: { a: 0.7, b: 0.3 }, assign: ${assign} }`
      const { tables, sources } = await runStage(t, entry)
      const found = tables.flatMap((table) => [...table.getChild('row')!.toArray()] as number[])
      t.strictSame(
        found.toSorted((a, b) => a - b),
        [...labels.keys()],
      )
      if (assign === 'order') t.strictSame(found, [...labels.keys()])
      t.strictSame(
        tables.flatMap(labelsIn),
        found.map((row) => labels[row]),
      )
      const all = tables.flatMap((table) => {
        const { values, labels } = kernelRows(table)
        const width = values.length / labels.length
        return Array.from(labels, (_, i) => values.subarray(i * width, (i + 1) * width))
      })
      t.ok(
        all.every((row, i) => bytesOf(row).equals(bytesOf(rows[found[i]!]!))),
        assign,
      )
      t.strictSame(sources, [{ path, bytes: file.length, sha256: checksum(file) }])
    }
  })

t.test('the checksum of a Parquet file is that of all its bytes, whatever columns are read', async (t) => {
  const ids = BigInt64Array.from(labels, BigInt)
  const file = parquetOf(19, [
    [id, ids],
    [image, rowsOf(values)],
    [label, labels],
  ])
  const path = join(temporary(t, { data: file }), 'data')
  for (const options of ['select: [id]', 'drop: [id]', 'drop: [image], label: label']) {
    const { sources } = await runStage(t, `- use: load/parquet\n  with: { path: ${path}, ${options} }`)
    t.strictSame(sources, [{ path, bytes: file.length, sha256: checksum(file) }], options)
  }
})

function bytesOf({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
