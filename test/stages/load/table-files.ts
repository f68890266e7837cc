import { Bool, Dictionary, Float32, Int32, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import type { SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'

/** A row of a table: a number, a text and a label; undefined for a missing cell. */
export type TableRow = readonly [size: number | undefined, colour: string | undefined, label: string]

/** Rows with numbers that float32 holds exactly. */
export const rows: readonly TableRow[] = Array.from({ length: 40 }, (_, i) => [
  ((i * 37) % 41) / 8 - 2,
  ['red', 'green', 'blue, light'][i % 3]!,
  ['cat', 'dog'][(i >> 1) % 2]!,
])

/** The same rows as a file of each format, by the name of the load stage. */
export const tableFiles: Readonly<Record<string, (rows: readonly TableRow[]) => Uint8Array>> = {
  csv: (rows) => Buffer.from(csvText(rows)),
  jsonl: (rows) =>
    Buffer.from(rows.map(([size, colour, label]) => `${JSON.stringify({ size, colour, label })}\n`).join('')),
  arff: (rows) => Buffer.from(arffText(rows)),
  arrow: (rows) => tableToIPC(arrowTable(rows), 'file'),
  parquet: parquetBytes,
}

function csvText(rows: readonly TableRow[]): string {
  const line = ([size, colour, label]: TableRow): string =>
    `${size ?? ''},${colour === undefined ? '' : JSON.stringify(colour)},${label}\n`
  return `size,colour,label\n${rows.map(line).join('')}`
}

function arffText(rows: readonly TableRow[]): string {
  const line = ([size, colour, label]: TableRow): string =>
    `${size ?? '?'}, ${colour === undefined ? '?' : `'${colour}'`}, ${label}\n`
  return `% A table\n@RELATION pets\n\n@attribute size numeric\n@attribute colour string\n@attribute 'label' {cat, dog}\n\n@data\n${rows.map(line).join('')}`
}

function arrowTable(rows: readonly TableRow[]): Table {
  const column = <T>(at: number) => rows.map((row) => (row[at] ?? null) as T | null)
  return new Table({
    size: vectorFromArray(column<number>(0), new Float32()),
    colour: vectorFromArray(column<string>(1), new Dictionary(new Utf8(), new Int32())),
    label: vectorFromArray(column<string>(2), new Utf8()),
  })
}

function parquetBytes(rows: readonly TableRow[]): Uint8Array {
  const column = (at: number): unknown[] => rows.map((row) => row[at])
  return parquetOf(16, [
    [{ name: 'size', type: 'FLOAT', repetition_type: 'OPTIONAL' }, column(0)],
    [{ name: 'colour', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }, column(1)],
    [{ name: 'label', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }, column(2)],
  ])
}

/** A Parquet file of these columns. */
export function parquetOf(
  rowGroupSize: number,
  columns: readonly (readonly [SchemaElement, ArrayLike<unknown>])[],
  pageSize?: number,
  codec: 'SNAPPY' | 'UNCOMPRESSED' = 'SNAPPY',
): Uint8Array {
  const writer = new ByteWriter()
  const schema = [{ name: 'root', num_children: columns.length }, ...columns.map(([element]) => element)]
  const parquet = new ParquetWriter({ writer, schema, codec })
  const columnData = columns.map(([{ name }, data]) => ({ name, data: data as unknown[] }))
  parquet.write({ columnData, rowGroupSize, ...(pageSize && { pageSize }) })
  parquet.finish()
  return new Uint8Array(writer.getBuffer())
}

/** Rows of bytes as a file of the formats that have columns of whole rows. */
export const wholeFiles: Readonly<
  Record<string, (images: readonly Uint8Array[], labels: readonly number[]) => Uint8Array>
> = {
  parquet: (images, labels) =>
    parquetOf(3, [
      [
        { name: 'image', type: 'FIXED_LEN_BYTE_ARRAY', type_length: images[0]!.length, repetition_type: 'REQUIRED' },
        images,
      ],
      [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, labels],
    ]),
}

/** A table with a column of truth values, as an Arrow stream. */
export const truthStream = (): Uint8Array =>
  tableToIPC(
    new Table({
      yes: vectorFromArray([true, false, true, true], new Bool()),
      no: vectorFromArray([1, 2, 3, 4], new Float32()),
      label: vectorFromArray([0, 1, 0, 1], new Int32()),
    }),
    'stream',
  )
