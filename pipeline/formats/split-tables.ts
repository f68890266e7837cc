import type { Field, Table } from 'apache-arrow'
import { formatBytes } from '../base/byte-size.js'
import { PipelineError } from '../base/errors.js'
import { counted, listed } from '../base/words.js'
import type { StageContext } from '../stage/context.js'
import { examplesTable } from '../wires/examples.js'
import { perRowOf } from '../wires/per-row.js'
import { type RowSource, unreadTable } from '../wires/unread.js'

/** A split whose rows lie in a file. */
export interface StoredSplit {
  /** Its name. */
  readonly name: string
  /** Features and label. */
  readonly fields: readonly [Field, Field]
  /** What reads its rows. */
  readonly source: RowSource
}

/** Bytes that are read at a time. */
const PIECE = 4 << 20

/**
 * Makes the tables of splits: what fits into the memory of the run is read, the small splits first. The rows of the others stay
 * in their file, with a note. Rejects with a PipelineError `DATA` if the memory of the run does not hold a row of these.
 */
export async function splitTables(splits: readonly StoredSplit[], context: StageContext): Promise<Table[]> {
  const { memory } = context
  const tables = new Map<string, Table>()
  const windowed: string[] = []
  let widest = memory.window
  for (const split of splits.toSorted((a, b) => a.source.rows - b.source.rows)) {
    const { name, fields, source } = split
    const bytes = source.rows * source.rowBytes
    const isBytes = source.readNow(0, 0).values instanceof Uint8Array
    // Stages below standardise floats into memory of their own.
    if (memory.fits(isBytes ? bytes : 2 * bytes)) tables.set(name, await wholeTable(split, isBytes, context))
    else {
      checkRow(split, context)
      windowed.push(name)
      widest = Math.max(widest, source.rowBytes)
      const admit = (bytes: number): void =>
        memory.take(
          bytes,
          `a stage takes all rows of ${name} at once, which`,
          'let it take another split, leave it out, or raise memory (--memory)',
        )
      tables.set(name, unreadTable(fields, source, name, admit))
    }
  }
  if (windowed.length > 0) context.note(`read in windows of at most ${widest >> 10} KiB: ${listed(windowed, 'and')}`)
  return splits.map(({ name }) => tables.get(name)!)
}

/** Throws a PipelineError `DATA` if the memory of the run does not hold a single row. */
function checkRow({ name, source: { width, rowBytes } }: StoredSplit, { memory: { limit } }: StageContext): void {
  if (rowBytes > limit)
    throw new PipelineError(
      'DATA',
      `a row of ${name} has ${counted(width, 'feature')} and needs ${formatBytes(rowBytes)}, memory: ${formatBytes(limit)} ` +
        'does not hold it; leave features out, or raise memory (--memory)',
    )
}

/** Reads all rows of a split into memory that the kernels see. */
async function wholeTable(
  { name, fields, source }: StoredSplit,
  isBytes: boolean,
  { kernels }: StageContext,
): Promise<Table> {
  const size = source.rows * source.width
  const bytes = kernels.allocate(isBytes ? size : 4 * size)
  const values = isBytes ? bytes : new Float32Array(bytes.buffer, bytes.byteOffset, size)
  const labels = new Int32Array(source.rows)
  const row = source.perRow.includes('row') ? new Int32Array(source.rows) : undefined
  const weight = source.perRow.includes('weight') ? new Float32Array(source.rows) : undefined
  const step = Math.max(1, Math.floor(PIECE / source.rowBytes))
  for (let from = 0; from < source.rows; from += step) {
    const part = await source.read(from, Math.min(source.rows, from + step))
    values.set(part.values, from * source.width)
    labels.set(part.labels, from)
    row?.set(part.row!, from)
    weight?.set(part.weight!, from)
  }
  return examplesTable(fields, values, labels, name, undefined, undefined, perRowOf({ row, weight }))
}
