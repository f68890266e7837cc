import type { FileHandle } from 'node:fs/promises'
import type { FileMetaData } from 'hyparquet'
import { messageOf, openRegularFile, PipelineError, type StageContext } from '../../../pipeline/stage-kit.js'
import { plainSize } from '../source-file.js'
import { HashedBytes } from './bytes.js'
import { ReusedMemory } from './reused-memory.js'

/** The text that a Parquet file begins and ends with. */
const MAGIC = 'PAR1'

/** The most bytes that a column of a row group may unpack to. */
const MOST_UNPACKED = 1 << 30

/** The most rows of a file. */
const MOST_ROWS = 2 ** 31 - 1

/** An open Parquet file. */
export interface ParquetFile {
  /** Its bytes. */
  readonly bytes: HashedBytes
  /** Its schema and its row groups. */
  readonly metadata: FileMetaData
  /** Memory for what is read and decoded. */
  readonly memory: ReusedMemory
  /** The open file, to be closed. */
  readonly handle: FileHandle
}

/**
 * Opens a Parquet file and checks where its metadata leads. Throws a PipelineError `DATA` if it is missing, unreadable, packed,
 * cut off or damaged.
 */
export async function openParquet(path: string, context: StageContext): Promise<ParquetFile> {
  const size = await plainSize(path)
  if (size === undefined) throw new PipelineError('DATA', `${path} is packed by gzip; unpack it`)
  const handle = await openRegularFile(path)
  try {
    const bytes = new HashedBytes(handle, size, context)
    const ends = [await textAt(bytes, 0), await textAt(bytes, Math.max(0, size - MAGIC.length))]
    if (ends[0] !== MAGIC) throw new PipelineError('DATA', `${path} is not a Parquet file`)
    if (ends[1] !== MAGIC || size < 12)
      throw new PipelineError('DATA', `${path} is cut off: the end of a Parquet file is missing`)
    const { parquetMetadataAsync } = await import('hyparquet')
    const unhashed = { byteLength: size, slice: (start: number, end?: number) => bytes.peek(start, end) }
    const metadata = await parquetMetadataAsync(unhashed, { geoparquet: false }).catch((error: unknown) => {
      throw damaged(path, error)
    })
    check(path, metadata, size)
    return { bytes, metadata, memory: new ReusedMemory(), handle }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The number of rows of a Parquet file. Throws a PipelineError `DATA` as `openParquet` does. */
export async function countParquet(path: string, context: StageContext): Promise<number> {
  const { handle, metadata } = await openParquet(path, context)
  await handle.close()
  return Number(metadata.num_rows)
}

/** The error of a file that cannot be decoded. */
export function damaged(path: string, error: unknown): PipelineError {
  if (error instanceof PipelineError) return error
  const isOwn = error instanceof Error && error.message.startsWith('parquet ') && error.constructor === Error
  const reason = isOwn ? messageOf(error).slice('parquet '.length, 160) : 'what it says of its content is not so'
  return new PipelineError('DATA', `${path} is damaged, or uses what cannot be read: ${reason}`, { cause: error })
}

async function textAt(bytes: HashedBytes, start: number): Promise<string> {
  return Buffer.from(await bytes.peek(start, start + MAGIC.length)).toString('latin1')
}

/** Throws unless rows and columns lie in the file and are as many as a file of its size can have. */
function check(path: string, { row_groups: groups, num_rows: all }: FileMetaData, size: number): void {
  const wrong = (what: string): PipelineError => new PipelineError('DATA', `${path} is damaged: ${what}`)
  if (!Array.isArray(groups)) throw wrong('it has no row groups')
  let rows = 0
  for (const { num_rows: count, columns } of groups) {
    if (!(count >= 0 && count <= MOST_ROWS)) throw wrong('a row group has an impossible number of rows')
    rows += Number(count)
    for (const { meta_data: column } of columns ?? []) {
      if (!column) throw wrong('a column has no metadata')
      const start = Number(column.dictionary_page_offset ?? column.data_page_offset)
      const packed = Number(column.total_compressed_size)
      if (!(start >= 4 && packed >= 0 && start + packed <= size - 8)) throw wrong('a column lies outside the file')
      const unpacked = Number(column.total_uncompressed_size)
      if (!(unpacked >= 0 && unpacked <= MOST_UNPACKED)) throw wrong('a column of a row group has more than 1 GiB')
      if (Number(column.num_values) < 0 || Number(column.num_values) > MOST_ROWS)
        throw wrong('a column has an impossible number of values')
    }
  }
  if (rows !== Number(all) || rows > MOST_ROWS) throw wrong(`it claims ${all} rows, its row groups have ${rows}`)
}
