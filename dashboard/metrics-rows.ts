import { extname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { parse as parseCsv } from 'csv-parse/sync'
import { fromCsvText } from '../pipeline/formats/csv-text.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { headerSize, readHeader } from '../pipeline/formats/ipc-check.js'
import type { Value } from './contract.js'

/** Takes a file of metrics piece by piece. */
export interface RowsReader {
  /** The names of the columns; empty before the beginning of the file is there. */
  readonly columns: readonly string[]
  /**
   * Returns the rows that are whole with these bytes; one that is damaged has no values. What is not whole waits. Throws an
   * Error if a row is too long.
   */
  take(bytes: Uint8Array): (readonly Value[])[]
}

/** The readers of the files that sinks of metrics write, by their ending. */
const readers = new Map<string, () => RowsReader>([
  ['.csv', () => new LineReader(csvRow)],
  ['.jsonl', () => new LineReader(jsonRow)],
  ['.arrows', () => new StreamReader()],
])

/** The endings of files of metrics, the likelier ones first. */
export const endings: readonly string[] = [...readers.keys()]

/** A reader for a file with this name, whose ending is one of `endings`. */
export function rowsReader(name: string): RowsReader {
  return readers.get(extname(name))!()
}

/** Whether a file of this name that begins so has metrics: its first columns are `epoch` and `step`. */
export function beginsAsMetrics(name: string, head: Uint8Array): boolean {
  const reader = rowsReader(name)
  try {
    reader.take(head)
  } catch {
    return false
  }
  return reader.columns[0] === 'epoch' && reader.columns[1] === 'step'
}

/** A longer row is only in a file that is none of metrics. */
const LONGEST_ROW = 1 << 20

function checkLength(length: number): void {
  if (length > LONGEST_ROW) throw new Error('a row is longer than a million bytes; this is no file of metrics')
}

/** Reads a row of a line. Without columns, it is the first line. */
type RowOfLine = (
  line: string,
  columns: readonly string[],
) => { readonly columns?: readonly string[]; readonly row?: readonly Value[] }

class LineReader implements RowsReader {
  columns: readonly string[] = []
  private rest = ''
  private readonly decoder = new StringDecoder('utf8')
  private readonly read: RowOfLine

  constructor(read: RowOfLine) {
    this.read = read
  }

  take(bytes: Uint8Array): (readonly Value[])[] {
    const lines = (this.rest + this.decoder.write(bytes)).split('\n')
    this.rest = lines.pop()!
    checkLength(this.rest.length)
    return lines
      .filter((line) => line.trim() !== '')
      .flatMap((line) => {
        const { columns = this.columns, row } = this.read(line, this.columns)
        this.columns = columns
        if (!row) return []
        return [row.length === columns.length ? row : []]
      })
  }
}

function csvRow(line: string, columns: readonly string[]): ReturnType<RowOfLine> {
  return columns.length === 0 ? { columns: cellsOf(line).map(fromCsvText) } : { row: cellsOf(line).map(cellValue) }
}

function jsonRow(line: string, columns: readonly string[]): ReturnType<RowOfLine> {
  try {
    const entries = Object.entries(JSON.parse(line) as Record<string, unknown>)
    return {
      ...(columns.length === 0 && { columns: entries.map(([name]) => name) }),
      row: entries.map(([, value]) => cellValue(String(value))),
    }
  } catch {
    return { row: [] }
  }
}

/** Reads an Arrow IPC stream. Only new messages are read, each with the schema of the beginning. */
class StreamReader implements RowsReader {
  columns: readonly string[] = []
  private rest: Uint8Array = new Uint8Array()
  private schema: Uint8Array | undefined

  take(bytes: Uint8Array): (readonly Value[])[] {
    const all = Buffer.concat([this.rest, bytes])
    const batches = this.wholeBatches(all)
    checkLength(this.rest.length)
    if (!this.schema) return []
    const table = tableFromFile(Buffer.concat([this.schema, batches]))
    if (this.columns.length === 0) {
      if (table.schema.metadata.get('wire') !== 'metrics') throw new Error('it is no recording of metrics')
      this.columns = table.schema.names.map(String)
    }
    const columns = this.columns.map((name) => table.getChild(name)!)
    return Array.from({ length: table.numRows }, (_, i) => columns.map((column) => cellValue(String(column.get(i)))))
  }

  /** The whole record batches. The schema, which stands before them, is kept apart. */
  private wholeBatches(all: Buffer): Uint8Array {
    let [start, at] = [0, 0]
    while (all.length - at >= 8) {
      const size = headerSize(all.subarray(at, at + 8))
      // The end of a stream is 8 bytes, in which the header has no size.
      if (size === undefined || at + 8 + size > all.length) break
      const { isSchema, body } = readHeader(all.subarray(at + 8, at + 8 + size))
      const next = at + 8 + size + body
      if (next > all.length) break
      if (isSchema) {
        this.schema = all.subarray(at, next)
        start = next
      }
      at = next
    }
    this.rest = all.subarray(at)
    return all.subarray(start, at)
  }
}

function cellsOf(line: string): readonly string[] {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line
  if (!text.includes('"')) return text.split(',')
  try {
    return (parseCsv(text, { relax_column_count: true }) as string[][])[0] ?? []
  } catch {
    return []
  }
}

/** A number; its name if JSON has none for it. */
function cellValue(cell: string): Value {
  const value = cell.trim() === '' ? Number.NaN : Number(cell)
  return Number.isFinite(value) ? value : String(value)
}
