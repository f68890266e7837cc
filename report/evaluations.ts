import { fstatSync, readSync } from 'node:fs'
import { extname } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import { fileReason } from '../pipeline/base/errors.js'
import { hasInside, type Line, linesOf, namesInside, withFileInside } from '../pipeline/files/inside.js'
import { readWhole } from '../pipeline/files/regular-file.js'
import { fromCsvText } from '../pipeline/formats/csv-text.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { type MetricsRow, metricsRows } from '../pipeline/wires/metrics.js'
import { MAX_TEXT } from './sheets.js'

/** More numbers are not kept: of a longer file, every second row is, or every fourth, and so on. */
const MAX_NUMBERS = 200_000
/** A file with more columns is no file of metrics. */
const MAX_COLUMNS = 1000
/** More files are not searched for metrics. */
const MAX_FILES = 100
/** Bytes at the beginning of a CSV file in which its head must end. */
const HEAD = 1 << 20
/** Bytes at the end of a file in which the last row is looked for first. */
const TAIL = 1 << 12

/**
 * Reads the evaluations of a run, from a file called `metrics`, or else from the first other file at the top of the
 * directory that has such rows. The file may have any size: of very many rows, some are left out, but never the last.
 *
 * @param remarks gets what could not be read, in words
 */
export function metricsIn(directory: string, remarks: string[]): readonly MetricsRow[] {
  return found(directory, remarks, (name, file) => {
    const damaged = { rows: 0 }
    const { rows, every } = thinned(readers.get(extname(name))!(file, 0, damaged))
    if (damaged.rows > 0) remarks.push(`${name}: ${damaged.rows} damaged rows left out`)
    if (every > 1) remarks.push(`${name} is long: one of every ${every} evaluations is drawn, and the last`)
    return rows
  })
}

/** Reads the last evaluation of a run, as `metricsIn` does. Returns undefined if there is none. */
export function lastMetricsIn(directory: string, remarks: string[]): MetricsRow | undefined {
  return found(directory, remarks, (name, file) => {
    const read = readers.get(extname(name))!
    const { size } = fstatSync(file)
    const inTail = size > TAIL ? lastOf(read(file, size - TAIL, { rows: 0 })) : undefined
    return [inTail ?? lastOf(read(file, 0, { rows: 0 })) ?? []].flat()
  })[0]
}

/** The rows of the first file that has any. */
function found(
  directory: string,
  remarks: string[],
  read: (name: string, file: number) => readonly MetricsRow[],
): readonly MetricsRow[] {
  for (const name of metricFiles(directory, remarks)) {
    try {
      const rows = withFileInside(directory, name, (file) => read(name, file))
      if (rows.length > 0) return rows
    } catch (error) {
      remarks.push(`${name} cannot be read: ${fileReason(error)}`)
    }
  }
  return []
}

/** The files that may have metrics, the likelier ones first. The directory is listed only if no file has the usual name. */
function* metricFiles(directory: string, remarks: string[]): Generator<string> {
  const usual = [...readers.keys()].map((ending) => `metrics${ending}`)
  yield* usual.filter((name) => hasInside(directory, name))
  try {
    const names = namesInside(directory)
      .filter((name) => readers.has(extname(name)) && name !== 'gradient-check.csv' && !usual.includes(name))
      .sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
    if (names.length > MAX_FILES) remarks.push(`only ${MAX_FILES} of ${names.length} files were searched for metrics`)
    yield* names.slice(0, MAX_FILES)
  } catch (error) {
    remarks.push(`the directory cannot be read: ${fileReason(error)}`)
  }
}

/**
 * Yields the rows of an open file, from the first line that begins behind the byte `from`; none if it has no metrics.
 * Counts rows that are damaged. Throws an Error if the file cannot be read.
 */
type Reader = (file: number, from: number, damaged: { rows: number }) => Iterable<MetricsRow>

/** Readers for the files of the sinks of metrics, by their ending. */
const readers = new Map<string, Reader>([
  ['.csv', rowsOfCsv],
  ['.jsonl', rowsOfLines],
  ['.arrows', rowsOfStream],
])
const order = (name: string): number => [...readers.keys()].indexOf(extname(name))

function* rowsOfCsv(file: number, from: number, damaged: { rows: number }): Generator<MetricsRow> {
  const { columns, end } = headOf(file)
  if (!isMetrics(columns)) return
  for (const { text } of linesFrom(file, from, end)) {
    if (text === '') continue
    const cells = cellsOf(text)
    if (cells?.length === columns.length) yield rowOf(columns.map((column, i) => [column, cells[i]]))
    else damaged.rows++
  }
}

/** The names of the columns of a CSV file, and the byte behind them. */
function headOf(file: number): { readonly columns: readonly string[]; readonly end: number } {
  const start = Buffer.allocUnsafe(Math.min(HEAD, fstatSync(file).size))
  const bytes = start.subarray(0, readSync(file, start, 0, start.length, 0))
  const { names, end } = plainHead(bytes) ?? quotedHead(bytes.toString())
  const columns = names.map(fromCsvText)
  if (isMetrics(columns) && (columns.length > MAX_COLUMNS || end >= HEAD))
    throw new Error(`it has more than ${MAX_COLUMNS} columns, or a head of more than ${HEAD >> 20} MiB`)
  return { columns, end }
}

interface Head {
  readonly names: readonly string[]
  readonly end: number
}

/** A first line without quotes, as sinks write it; undefined if it is none. */
function plainHead(bytes: Buffer): Head | undefined {
  const end = bytes.indexOf('\n') + 1
  const line = bytes.toString('utf8', 0, end).replace(/\r?\n$/, '')
  return line === '' || /["\r]/.test(line) ? undefined : { names: line.split(','), end }
}

function quotedHead(text: string): Head {
  const [head] = parseCsv(text, { to: 1, info: true, relax_column_count: true, skip_empty_lines: true }) as unknown as {
    readonly record: readonly string[]
    readonly info: { readonly bytes: number }
  }[]
  return head ? { names: head.record, end: head.info.bytes } : { names: [], end: 0 }
}

/** The lines that begin behind a byte, the beginning of the rows excepted. */
function* linesFrom(file: number, from: number, start: number): Generator<Line> {
  const lines = linesOf(file, Math.max(from, start))
  // The byte is somewhere in a line.
  if (from > start) lines.next()
  yield* lines
}

function cellsOf(line: string): readonly string[] | undefined {
  if (!line.includes('"')) return line.split(',')
  try {
    return (parseCsv(line, { relax_column_count: true }) as string[][])[0]
  } catch {
    return undefined
  }
}

function* rowsOfLines(file: number, from: number): Generator<MetricsRow> {
  const first = linesOf(file).next().value
  if (!first?.isEnded || !isMetrics(Object.keys(JSON.parse(first.text) as object))) return
  for (const { text, isEnded } of linesFrom(file, from, 0))
    if (isEnded) yield rowOf(Object.entries(JSON.parse(text) as object))
}

function rowsOfStream(file: number): readonly MetricsRow[] {
  const table = tableFromFile(readWhole(file, MAX_TEXT))
  return table.schema.metadata.get('wire') === 'metrics' && isMetrics(table.schema.names.map(String))
    ? [...metricsRows(table)]
    : []
}

function isMetrics(columns: readonly string[]): boolean {
  return columns.includes('epoch') && columns.includes('step')
}

function rowOf(cells: readonly (readonly [name: string, value: unknown])[]): MetricsRow {
  const number = (value: unknown): number => (String(value).trim() === '' ? Number.NaN : Number(value))
  return Object.fromEntries(cells.map(([name, value]) => [name, number(value)])) as MetricsRow
}

/** Keeps every row, or every second, fourth … if there are too many, and the last one. */
function thinned(all: Iterable<MetricsRow>): { readonly rows: readonly MetricsRow[]; readonly every: number } {
  let rows: MetricsRow[] = []
  let [count, every] = [0, 1]
  let last: MetricsRow | undefined
  for (const row of all) {
    last = row
    if (count++ % every !== 0) continue
    rows.push(row)
    if (rows.length * Object.keys(row).length <= MAX_NUMBERS) continue
    rows = rows.filter((_, i) => i % 2 === 0)
    every *= 2
  }
  if (last && rows.at(-1) !== last) rows.push(last)
  return { rows, every }
}

function lastOf<T>(all: Iterable<T>): T | undefined {
  let last: T | undefined
  for (const each of all) last = each
  return last
}
