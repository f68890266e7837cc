import type { ColumnChunk, CompressionCodec, DecodedArray, RowGroup } from 'hyparquet'
import { filled, formatBytes, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import { damaged, type ParquetFile } from './file.js'
import { type ParquetColumn, schemaFor } from './schema.js'

/** The values that are decoded between two turns of the event loop, unless a page has more. */
const AT_ONCE = 1 << 16

/** A codec that leaves bytes as they are, and moves them to where a number may begin. */
const ALIGNED = 'ALIGNED' as CompressionCodec

/** The types whose values the decoder takes as they lie in memory, if they are aligned. */
const NUMBERS: ReadonlySet<string | undefined> = new Set(['FLOAT', 'DOUBLE', 'INT32', 'INT64'])

/** Decoded values of one column, and the row that they begin with. */
interface Part {
  readonly at: number
  readonly data: DecodedArray
}

/**
 * Reads a row group from its first row to its last, some rows at a time. Each page is decoded once: what it has beyond
 * the rows asked for is kept for the next call.
 */
export class GroupReader {
  /** Number of rows. */
  readonly count: number
  private readonly path: string
  private readonly file: ParquetFile
  private readonly group: RowGroup
  private readonly context: StageContext
  private readonly parts = new Map<string, Part[]>()
  private readonly most: number
  /** Bytes of the parts. */
  private held = 0
  /** Rows before this one are forgotten. */
  private first = 0
  /** Memory in which parts lie. */
  private lent: ArrayBuffer[] = []

  private readonly columns: readonly ParquetColumn[]
  /** Columns of which a value is a whole row. */
  private readonly whole: ReadonlyMap<string, ParquetColumn>

  /** @param most the most bytes of decoded values that may be in memory */
  constructor(
    path: string,
    file: ParquetFile,
    group: RowGroup,
    columns: readonly ParquetColumn[],
    context: StageContext,
    most: number,
  ) {
    this.most = most
    this.columns = columns
    this.whole = new Map(
      columns.filter(({ kind }) => kind === 'list' || kind === 'bytes').map((each) => [each.name, each]),
    )
    this.path = path
    this.file = file
    this.group = group
    this.count = Number(group.num_rows)
    this.context = context
  }

  /**
   * Reads some columns of the rows `from` to `to`. They are valid until the next call; rows before `from` are forgotten. A column is shorter if the group has
   * fewer values than rows. Throws a PipelineError `DATA` if they cannot be decoded, or if the pages in which they lie take more
   * memory than they may.
   */
  async read(names: readonly string[], from: number, to: number): Promise<Map<string, DecodedArray>> {
    this.forget(from)
    const perRead = Math.max(1, Math.floor(AT_ONCE / Math.max(1, to - from)))
    for (let i = 0; i < names.length; i += perRead) {
      const some = names.slice(i, i + perRead)
      // Columns have pages of their own, so they may have been read up to different rows.
      for (const start of new Set(some.map((name) => this.endOf(name))))
        if (start < to)
          await this.decode(
            some.filter((name) => this.endOf(name) === start),
            start,
            to,
          )
      if (this.held > this.most) throw this.tooLarge()
      await turn(this.context)
    }
    return new Map(names.map((name) => [name, this.take(name, from, to)]))
  }

  /** Forgets all rows. What `read` returned is no longer valid. */
  close(): void {
    this.forget(this.count)
  }

  private tooLarge(): PipelineError {
    const limit = formatBytes(this.context.memory.limit)
    return new PipelineError(
      'DATA',
      `${this.path}: the columns of a row group need more than ${formatBytes(this.most)} to be decoded, which memory: ${limit} does not allow; ` +
        `write it with smaller pages or row groups, leave columns out with drop, or raise memory (--memory)`,
    )
  }

  /** The row behind the last one that is decoded. */
  private endOf(name: string): number {
    const last = this.parts.get(name)?.at(-1)
    return last ? endOfPart(last) : this.first
  }

  private async decode(names: string[], start: number, end: number): Promise<void> {
    const { parquetRead } = await import('hyparquet')
    const columns = this.group.columns
      .filter(({ meta_data }) => names.includes(meta_data?.path_in_schema[0] ?? ''))
      .map(withAlignment)
    const isPlain = columns.every(({ meta_data }) => ['SNAPPY', 'UNCOMPRESSED', ALIGNED].includes(meta_data!.codec))
    const { bytes, memory } = this.file
    const taken: ArrayBuffer[] = []
    const take = (length: number): ArrayBuffer => {
      taken.push(memory.take(length))
      return taken.at(-1)!
    }
    const slice = async (start: number, end = bytes.byteLength): Promise<ArrayBuffer> => {
      const range = take(Math.max(0, Math.min(end, bytes.byteLength) - start))
      await bytes.read(start, range)
      return range
    }
    const aligned = (page: Uint8Array): Uint8Array => {
      if (page.byteOffset % Float64Array.BYTES_PER_ELEMENT === 0) return page
      const copy = new Uint8Array(take(page.length))
      copy.set(page)
      return copy
    }
    try {
      await parquetRead({
        file: { byteLength: bytes.byteLength, slice },
        metadata: {
          ...this.file.metadata,
          // The decoder makes a tree of the schema several times.
          schema: schemaFor(
            this.file.metadata,
            this.columns.filter(({ name }) => names.includes(name)),
          ),
          num_rows: this.group.num_rows,
          row_groups: [{ ...this.group, columns }],
        },
        columns: names,
        // A page that ends just before the first row would be decoded again.
        rowStart: start > 0 && start + 1 < end ? start + 1 : start,
        rowEnd: end,
        compressors: { ...(isPlain ? {} : (await import('hyparquet-compressors')).compressors), [ALIGNED]: aligned },
        onChunk: ({ columnName, columnData, rowStart }) => this.add(columnName, { at: rowStart, data: columnData }),
      })
    } catch (error) {
      this.context.signal.throwIfAborted()
      throw damaged(this.path, error)
    }
    this.lent.push(...this.needed(taken, names))
  }

  /** The pieces in which parts of these columns lie. The others are given back. */
  private needed(pieces: readonly ArrayBuffer[], names: Iterable<string>): ArrayBuffer[] {
    const used = new Set<ArrayBufferLike>()
    for (const name of names)
      for (const { data } of this.parts.get(name) ?? []) {
        if (!Array.isArray(data)) used.add(data.buffer)
        // Values of whole rows may lie anywhere in the bytes of the file.
        else if (this.whole.has(name)) return [...pieces]
      }
    for (const piece of pieces) if (!used.has(piece)) this.file.memory.give(piece)
    return pieces.filter((piece) => used.has(piece))
  }

  private add(name: string, { at, data }: Part): void {
    const known = this.endOf(name)
    if (at + data.length <= known) return
    const list = this.parts.get(name) ?? []
    const part = at >= known ? { at, data } : { at: known, data: data.slice(known - at) as DecodedArray }
    list.push(part)
    this.parts.set(name, list)
    this.held += this.bytesOf(name, part.data)
  }

  /** Drops what lies before a row. */
  private forget(row: number): void {
    this.first = row
    for (const [name, parts] of this.parts) {
      const left = parts.filter((part) => endOfPart(part) > row)
      for (const { data } of parts.slice(0, parts.length - left.length)) this.held -= this.bytesOf(name, data)
      this.parts.set(name, left)
    }
    this.lent = this.needed(this.lent, this.parts.keys())
  }

  /**
   * About how many bytes values of a column take in memory. It looks at no number of an array: where code takes the first
   * of numbers here and of objects there, V8 makes objects of all numbers of the array.
   */
  private bytesOf(name: string, data: DecodedArray): number {
    if (!Array.isArray(data)) return data.byteLength
    const whole = this.whole.get(name)
    if (!whole) return 8 * data.length
    return data.length * (whole.length || 8 * ((data[0] as ArrayLike<unknown> | null)?.length ?? 1))
  }

  /** The values of some rows, without a copy if they lie in one page. */
  private take(name: string, from: number, to: number): DecodedArray {
    const parts = this.parts.get(name) ?? []
    const found = parts
      .filter(({ at }) => at < to)
      .map(({ at, data }) => cut(data, Math.max(0, from - at), Math.min(data.length, to - at)))
    return found.length === 1 ? found[0]! : joined(found)
  }
}

/** A column of numbers that are not packed. They may begin anywhere in the file, and the decoder would copy them to new memory. */
function withAlignment(column: ColumnChunk): ColumnChunk {
  const { meta_data: data } = column
  if (data?.codec !== 'UNCOMPRESSED' || !NUMBERS.has(data.type)) return column
  return { ...column, meta_data: { ...data, codec: ALIGNED } }
}

/** The row behind the last one of a part. */
const endOfPart = ({ at, data }: Part): number => at + data.length

function cut(data: DecodedArray, from: number, to: number): DecodedArray {
  if (from === 0 && to === data.length) return data
  return Array.isArray(data) ? data.slice(from, to) : data.subarray(from, to)
}

function joined(parts: readonly DecodedArray[]): DecodedArray {
  const [first] = parts
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  if (first instanceof Float32Array && parts.every((part) => part instanceof Float32Array))
    return filled(new Float32Array(length), parts)
  if (first instanceof Float64Array && parts.every((part) => part instanceof Float64Array))
    return filled(new Float64Array(length), parts)
  if (first instanceof Int32Array && parts.every((part) => part instanceof Int32Array))
    return filled(new Int32Array(length), parts)
  const values: unknown[] = []
  for (const part of parts) for (let i = 0; i < part.length; i++) values.push(part[i])
  return values as DecodedArray
}
