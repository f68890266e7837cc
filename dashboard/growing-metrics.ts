import { fstatSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { hasInside, namesInside, withFileInside } from '../pipeline/files/inside.js'
import type { Value } from './contract.js'
import { beginsAsMetrics, endings, type RowsReader, rowsReader } from './metrics-rows.js'

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

/** Bytes at the beginning of a file by which metrics are recognised: the names of their columns, and what they mean. */
const HEAD = 64 << 10

/** Reads the metrics file of a run, `metrics.csv`, `metrics.jsonl`, `metrics.arrows` or another of this kind, while it grows. */
export class GrowingMetrics {
  private readonly directory: string
  private name: string | undefined
  private file = ''
  private offset = 0
  private reader: RowsReader | undefined
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

  /** Gives the whole rows that were added, in parts; a last one without its end waits. Returns at once if there are none. */
  async *read(): AsyncGenerator<MetricsPart> {
    this.name ??= metricsFile(this.directory)
    if (this.name === undefined) return
    let every = 0
    for (;;) {
      const chunk = this.chunk(this.name)
      if (chunk === undefined) return
      const { isReset, bytes, size } = chunk
      this.reader ??= rowsReader(this.name)
      const { reader } = this
      const rows = reader.take(bytes)
      if (every === 0) every = this.thinning(size - this.offset, bytes.length, rows.length)
      const isLast = this.offset >= size
      const part = this.kept(rows, every, isLast)
      const { columns } = reader
      if (isReset || part.rows.length > 0) yield { isReset, columns, ...part, read: [this.offset, size] }
      if (isLast && this.wanted.rows <= this.count) return
      // The file was cut back while the page was away.
      if (isLast) this.file = ''
      await turn()
    }
  }

  /** How many rows to leave out, from how long they are so far. */
  private thinning(left: number, bytes: number, rows: number): number {
    const all = rows + (left * rows) / Math.max(1, bytes)
    return 2 ** Math.max(0, Math.ceil(Math.log2(all / MOST_AT_FIRST)))
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
    this.reader = undefined
    this.count = 0
  }

  /** The rows to give: those that are wanted and not damaged, one of `every`, and the last of the file. */
  private kept(
    all: readonly (readonly Value[])[],
    every: number,
    isLast: boolean,
  ): Pick<MetricsPart, 'numbers' | 'rows'> {
    const [numbers, rows]: [number[], (readonly Value[])[]] = [[], []]
    for (const [i, row] of all.entries()) {
      const number = this.count++
      if (number < this.wanted.rows || row.length === 0) continue
      if (number % every !== 0 && !(isLast && i === all.length - 1)) continue
      numbers.push(number)
      rows.push(row)
    }
    return { numbers, rows }
  }
}

/** The name of the file with the metrics of a run; undefined as long as there is none. */
export function metricsFile(directory: string): string | undefined {
  const usual = endings.map((ending) => `metrics${ending}`).find((name) => hasInside(directory, name))
  if (usual !== undefined) return usual
  const names = namesInside(directory).filter(
    (name) => endings.includes(extname(name)) && name !== 'gradient-check.csv',
  )
  return names
    .sort((a, b) => endings.indexOf(extname(a)) - endings.indexOf(extname(b)))
    .find((name) => beginsAsMetrics(name, headOf(directory, name)))
}

function headOf(directory: string, name: string): Buffer {
  return withFileInside(directory, name, (descriptor) => {
    const bytes = Buffer.allocUnsafe(HEAD)
    return bytes.subarray(0, readSync(descriptor, bytes, 0, HEAD, 0))
  })
}
