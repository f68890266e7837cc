import { type RecordBatch, type Schema, tableFromIPC } from 'apache-arrow'
import type { ParquetWriter, Writer } from 'hyparquet-writer'
import { PipelineError } from '../base/errors.js'
import { joinedBytes } from '../base/joined.js'
import { ArrowStreamWriter } from '../wires/arrow-internals.js'
import { type ParquetColumn, parquetColumns } from './parquet-columns.js'

/**
 * Bytes of rows that are collected for a row group, if nothing else is said: what is encoded in some 40 ms, while the event
 * loop waits. Lists take ten times as long. They lie in memory, and in a checkpoint.
 */
const ROW_GROUP = { flat: 1 << 21, lists: 1 << 18 }

/** How the rows are written. */
export interface ParquetOptions {
  /** Default `snappy`. */
  readonly compression?: 'snappy' | 'none' | undefined
  /** Bytes of rows that are collected for a row group; default 2 MiB, 256 KiB for lists. */
  readonly rowGroup?: number | undefined
  /** Names of the elements of a column of lists of fixed length, which become a column each. By the name of the column. */
  readonly spread?: Readonly<Record<string, readonly string[]>> | undefined
}

/** A Parquet file that is not finished: all that is needed to go on with it. */
export interface ParquetProgress {
  /** Bytes of the row groups that are written. */
  readonly bytes: number
  /** What the end of the file will say about them, as JSON. */
  readonly groups: string
  /** The rows that are not in a group yet, as an Arrow IPC stream; empty if there are none. */
  readonly pending: Uint8Array
}

/** Writes the row groups of a Parquet file. */
export interface ParquetRows {
  /**
   * Adds rows, and writes a row group as soon as there are enough. Copies what it keeps. Yields after each row group, so that the caller can give the event loop a turn.
   */
  add(batch: RecordBatch): Generator<void, void>
  /** Writes the rows that are left and the end of the file. Call it once, as the last. */
  finish(): void
  /** What is needed to go on from here. */
  progress(): ParquetProgress
}

/**
 * Begins a Parquet file, or goes on with one. The file is readable once `finish` has been called. The bytes depend only on
 * the batches and their order. Throws a PipelineError `DATA` if a column has a type that the format cannot hold, or two
 * columns have one name.
 *
 * The metadata of the schema and its columns is kept as JSON under the key `millrace`.
 *
 * @param append takes each piece of the file, and must copy it or write it at once
 * @param saved what `progress` returned; the file has been cut to its `bytes`
 */
export async function openParquet(
  append: (bytes: Uint8Array) => void,
  schema: Schema,
  { compression = 'snappy', rowGroup: given, spread = {} }: ParquetOptions = {},
  saved?: ParquetProgress,
): Promise<ParquetRows> {
  const parquet = await import('hyparquet-writer')
  const columns = schema.fields.flatMap((field) =>
    parquetColumns(field, spread[field.name]).map((column) => ({ source: field.name, ...column })),
  )
  const rowGroup = given ?? (columns.some(({ elements }) => elements.length > 1) ? ROW_GROUP.lists : ROW_GROUP.flat)
  checkNames(columns.map(({ name }) => name))
  const bytes = new parquet.ByteWriter()
  // What flush leaves in the buffer would be written twice.
  const flush = (): void => {
    if (bytes.index > 0) append(bytes.getBytes())
    bytes.index = 0
  }
  const writer = new parquet.ParquetWriter({
    writer: Object.assign(bytes, { flush, finish: flush }) as Writer,
    schema: [{ name: 'root', num_children: columns.length }, ...columns.flatMap(({ elements }) => elements)],
    codec: compression === 'snappy' ? 'SNAPPY' : 'UNCOMPRESSED',
    statistics: false,
    kvMetadata: [{ key: 'millrace', value: JSON.stringify(described(schema)) }],
    createdBy: 'millrace',
  })
  let pending: Uint8Array[] = []
  let size = 0
  let encoder: ArrowStreamWriter | undefined
  const keep = (piece: Uint8Array): void => {
    pending.push(piece.slice())
    size += piece.length
  }
  if (saved) {
    restore(writer, saved.groups)
    bytes.index = 0
    bytes.offset = saved.bytes
    if (saved.pending.length > 0) {
      keep(saved.pending)
      encoder = new ArrowStreamWriter(keep, true)
    }
  } else flush()

  const writeGroup = (): void => {
    if (size === 0) return
    const rows = tableFromIPC(pending)
    pending = []
    size = 0
    encoder = undefined
    writer.write({
      columnData: columns.map(({ source, name, isPlain, read }) => ({
        name,
        data: read(rows.getChild(source)!),
        offsetIndex: false,
        ...(isPlain && { encoding: 'PLAIN' as const }),
      })),
      rowGroupSize: rows.numRows,
    })
  }

  return {
    *add(batch) {
      if (batch.numRows === 0) return
      // A batch may be a whole split.
      const step = Math.max(1, Math.floor((rowGroup / 4 / bytesOf(batch)) * batch.numRows))
      for (let row = 0; row < batch.numRows; row += step) {
        encoder ??= new ArrowStreamWriter(keep, false)
        encoder.write(batch.slice(row, Math.min(row + step, batch.numRows)))
        if (size < rowGroup) continue
        writeGroup()
        yield
      }
    },
    finish() {
      writeGroup()
      // hyparquet-writer gives a list of no groups a type that other readers refuse.
      if (writer.row_groups.length === 0) writer.row_groups = [emptyGroup(columns)]
      writer.finish()
    },
    progress: () => ({ bytes: bytes.offset, groups: stored(writer), pending: joinedBytes(pending) }),
  }
}

/** A row group without rows: what a reader must know about each column, and no pages. */
function emptyGroup(columns: readonly ParquetColumn[]): ParquetWriter['row_groups'][number] {
  const chunks = columns.map(({ elements }) => ({
    file_offset: 4n,
    meta_data: {
      type: elements.at(-1)!.type!,
      encodings: ['PLAIN' as const],
      path_in_schema: elements.map(({ name }) => name),
      codec: 'UNCOMPRESSED' as const,
      num_values: 0n,
      total_uncompressed_size: 0n,
      total_compressed_size: 0n,
      data_page_offset: 4n,
    },
  }))
  return { columns: chunks, total_byte_size: 0n, num_rows: 0n }
}

/** Refuses two columns of one name: a reader could not tell them apart. */
function checkNames(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined)
    throw new PipelineError(
      'DATA',
      `a Parquet file cannot have two columns with the name "${twice}"; rename the feature, or set \`features: one-column\``,
    )
}

/** The size of a batch in memory, at least a byte per row. */
function bytesOf({ data, numRows }: RecordBatch): number {
  const sizeOf = ({ buffers, children, length }: typeof data): number =>
    children.reduce((sum, child) => sum + sizeOf(child as typeof data), length) +
    Object.values(buffers).reduce((sum, buffer) => sum + ((buffer as Uint8Array | undefined)?.byteLength ?? 0), 0)
  return Math.max(numRows, sizeOf(data))
}

/** What the metadata of a schema and of its columns says, with the class names where a reader looks for them. */
function described({ metadata, fields }: Schema): Record<string, unknown> {
  const inColumns = fields.filter((field) => field.metadata.size > 0)
  const columns = Object.fromEntries(inColumns.map((field) => [field.name, readMetadata(field.metadata)]))
  const [shape, classes] = [columns.features?.shape, columns.label?.classes]
  return {
    ...readMetadata(metadata),
    ...(shape !== undefined && { shape }),
    ...(classes !== undefined && { classes }),
    ...(inColumns.length > 0 && { fields: columns }),
  }
}

function readMetadata(entries: ReadonlyMap<string, string>): Record<string, unknown> {
  const read = (key: string, text: string): unknown => {
    if (key === 'shape') return text.split('x').map(Number)
    try {
      return /^[[{]/.test(text) ? JSON.parse(text) : text
    } catch {
      // A text that only begins like JSON.
      return text
    }
  }
  return Object.fromEntries([...entries].map(([key, text]) => [key, read(key, text)]))
}

/** The keys of a row group whose numbers are bigints. */
const bigKeys = new Set([
  'num_rows',
  'total_byte_size',
  'total_compressed_size',
  'total_uncompressed_size',
  'num_values',
  'file_offset',
  'data_page_offset',
  'dictionary_page_offset',
])

function stored({ row_groups }: ParquetWriter): string {
  return JSON.stringify(row_groups, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
}

function restore(writer: ParquetWriter, groups: string): void {
  writer.row_groups = JSON.parse(groups, (key, value: unknown) =>
    bigKeys.has(key) && typeof value === 'string' ? BigInt(value) : value,
  )
  writer.num_rows = writer.row_groups.reduce((sum, { num_rows }) => sum + num_rows, 0n)
}
