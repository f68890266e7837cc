import { fstatSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { setImmediate as turn } from 'node:timers/promises'
import { parse as parseCsv } from 'csv-parse/sync'
import { hasInside, namesInside, withFileInside } from '../pipeline/files/inside.js'
import { fromCsvText } from '../pipeline/formats/csv-text.js'
import type { Value } from './contract.js'

/** Rows of a metrics file. */
export interface MetricsPart {
  /** True if the file is another one than before, or was cut back: earlier rows count no more. */
  readonly isReset: boolean
  /** The names of the columns. */
  readonly columns: readonly string[]
  /** The numbers of the rows in the file, from 0. */
  readonly numbers: readonly number[]
  /** The rows. */
  readonly rows: readonly (readonly Value[])[]
  /** The bytes that are read, and all that the file has. */
  readonly read: readonly [done: number, all: number]
}

/** Bytes that are read at a time. */
const CHUNK = 256 << 10

/** A file that has more rows when it is first read is thinned: only every second, fourth, eighth … row is given. */
const MOST_AT_FIRST = 4000

/** A line is longer only in a file that is none of metrics. */
const LONGEST_LINE = 1 << 20

/** Reads the metrics file of a run, `metrics.csv` or `metrics.jsonl` or another of this kind, while it grows. */
export class GrowingMetrics {
  private readonly directory: string
  private name: string | undefined
  private file = ''
  private offset = 0
  private rest = ''
  private decoder = new StringDecoder('utf8')
  private columns: readonly string[] = []
  private count = 0

  /**
   * @param directory of the run
   * @param from the position of an earlier reader, as `position` says; rows before it are not given
   */
  constructor(directory: string, from = '') {
    this.directory = directory
    const [, file = '', rows = '0'] = /^(\d+)-(\d+)$/.exec(from) ?? []
    this.wanted = { file, rows: Number(rows) }
  }

  private wanted: { readonly file: string; readonly rows: number }

  /** Where the reader is: the number of the file on its disk, and of the rows that were given. */
  get position(): string {
    return this.file === '' ? '' : `${this.file}-${this.count}`
  }

  /** Gives the whole lines that were added, in parts; a last line without its end waits. Returns at once if there are none. */
  async *read(): AsyncGenerator<MetricsPart> {
    this.name ??= metricsFile(this.directory)
    if (this.name === undefined) return
    let every = 0
    for (;;) {
      const chunk = this.chunk(this.name)
      if (chunk === undefined) return
      const { isReset, bytes, size } = chunk
      const lines = (this.rest + this.decoder.write(bytes)).split('\n')
      this.rest = lines.pop()!
      if (this.rest.length > LONGEST_LINE) throw new Error(`${this.name} has a line of more than a million characters`)
      if (every === 0) every = this.thinning(size - this.offset, bytes.length, lines.length)
      const isLast = this.offset >= size
      const part = this.rowsOf(lines, every, isLast)
      if (isReset || part.rows.length > 0) yield { isReset, columns: this.columns, ...part, read: [this.offset, size] }
      if (isLast && this.wanted.rows <= this.count) return
      // The file was cut back while the page was away.
      if (isLast) this.file = ''
      await turn()
    }
  }

  /** How many rows to leave out, from how long the lines are so far. */
  private thinning(left: number, bytes: number, lines: number): number {
    const rows = lines + (left * lines) / Math.max(1, bytes)
    return 2 ** Math.max(0, Math.ceil(Math.log2(rows / MOST_AT_FIRST)))
  }

  private chunk(name: string): { isReset: boolean; bytes: Buffer; size: number } | undefined {
    if (!hasInside(this.directory, name)) return undefined
    return withFileInside(this.directory, name, (descriptor) => {
      const { ino, size } = fstatSync(descriptor)
      const isReset = String(ino) !== this.file || size < this.offset
      if (isReset) this.begin(String(ino))
      if (size === this.offset)
        return isReset && this.wanted.rows === 0 ? { isReset, bytes: Buffer.alloc(0), size } : undefined
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK, size - this.offset))
      const count = readSync(descriptor, bytes, 0, bytes.length, this.offset)
      this.offset += count
      // A page that comes back has the rows before those that it wants.
      return { isReset: isReset && this.wanted.rows === 0, bytes: bytes.subarray(0, count), size }
    })
  }

  private begin(file: string): void {
    if (this.offset > 0 || this.wanted.file !== file) this.wanted = { file, rows: 0 }
    this.file = file
    this.offset = 0
    this.rest = ''
    this.decoder = new StringDecoder('utf8')
    this.columns = []
    this.count = 0
  }

  private rowsOf(lines: readonly string[], every: number, isLast: boolean): Pick<MetricsPart, 'numbers' | 'rows'> {
    const [numbers, rows]: [number[], (readonly Value[])[]] = [[], []]
    const isJson = extname(this.name!) === '.jsonl'
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') continue
      if (this.columns.length === 0 && !isJson) {
        this.columns = cellsOf(line).map(fromCsvText)
        continue
      }
      const number = this.count++
      if (number < this.wanted.rows) continue
      if (number % every !== 0 && !(isLast && i === lines.length - 1)) continue
      const row = isJson ? this.jsonRow(line) : cellsOf(line).map(cellValue)
      if (row.length !== this.columns.length) continue
      numbers.push(number)
      rows.push(row)
    }
    return { numbers, rows }
  }

  private jsonRow(line: string): readonly Value[] {
    try {
      const entries = Object.entries(JSON.parse(line) as Record<string, unknown>)
      if (this.columns.length === 0) this.columns = entries.map(([name]) => name)
      return entries.map(([, value]) => cellValue(String(value)))
    } catch {
      return []
    }
  }
}

/** The name of the file with the metrics of a run; undefined as long as there is none. */
export function metricsFile(directory: string): string | undefined {
  const usual = ['metrics.csv', 'metrics.jsonl'].find((name) => hasInside(directory, name))
  if (usual !== undefined) return usual
  const names = namesInside(directory).filter((name) => /\.(csv|jsonl)$/.test(name) && name !== 'gradient-check.csv')
  return names.find((name) => isMetrics(directory, name))
}

function isMetrics(directory: string, name: string): boolean {
  const head = withFileInside(directory, name, (descriptor) => {
    const bytes = Buffer.alloc(4096)
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, bytes.length, 0))
  }).split('\n', 1)[0]!
  return name.endsWith('.csv') ? /^epoch,step(,|$)/.test(head) : /^\{"epoch":.*"step":/.test(head)
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
