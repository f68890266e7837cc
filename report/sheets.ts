import { existsSync, readdirSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import { fileProblem, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { type MetricsRow, metricsRows } from '../pipeline/wires/metrics.js'

/** The content of a table file, as text. */
export interface Sheet {
  /** The names of the columns. */
  readonly columns: readonly string[]
  /** The cells, row by row. */
  readonly rows: readonly (readonly string[])[]
}

/** The largest text file or stream of metrics that is read, in bytes. */
const MAX_TEXT = 64 << 20

/** Reads a text file. Throws a PipelineError `DATA` if it cannot be read, or if it has more bytes than `limit`. */
export function readText(file: string, limit = MAX_TEXT): string {
  try {
    return String(readRegularFile(file, limit))
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read', file, error), { cause: error })
  }
}

/**
 * Reads a CSV file. Returns undefined if there is none, or if it cannot be read. Rows of another length than the head,
 * for example the last row of a run that was killed, are left out.
 *
 * @param remarks gets what could not be read, in words
 */
export function readSheet(file: string, remarks: string[]): Sheet | undefined {
  if (!existsSync(file)) return undefined
  try {
    const all: string[][] = parseCsv(readText(file), { relax_column_count: true, skip_empty_lines: true })
    const [columns = [], ...rows] = all
    const whole = rows.filter((row) => row.length === columns.length)
    if (whole.length < rows.length)
      remarks.push(`${basename(file)}: ${rows.length - whole.length} damaged rows left out`)
    return { columns, rows: whole }
  } catch (error) {
    remarks.push(`${basename(file)} cannot be read: ${messageOf(error)}`)
    return undefined
  }
}

/**
 * Reads the evaluations of a run, from a file called `metrics`, or else from the first other file at the top of the
 * directory that has such rows.
 *
 * @param remarks gets what could not be read, in words
 */
export function metricsIn(directory: string, remarks: string[]): MetricsRow[] {
  const isFirst = (name: string): boolean => name.startsWith('metrics.')
  const names = readdirSync(directory)
    .filter((name) => readers.has(extname(name)) && name !== 'gradient-check.csv')
    .sort((a, b) => Number(isFirst(b)) - Number(isFirst(a)) || order(a) - order(b) || (a < b ? -1 : 1))
  for (const name of names) {
    const rows = rowsIn(join(directory, name), remarks)
    if (rows.length > 0) return rows
  }
  return []
}

/** Readers for the files of the sinks of metrics, by their ending. */
const readers = new Map<string, (file: string, remarks: string[]) => MetricsRow[]>([
  ['.csv', rowsOfCsv],
  ['.jsonl', rowsOfLines],
  ['.arrows', rowsOfStream],
])
const order = (name: string): number => [...readers.keys()].indexOf(extname(name))

function rowsIn(file: string, remarks: string[]): MetricsRow[] {
  try {
    const rows = readers.get(extname(file))!(file, remarks)
    return rows[0] && 'epoch' in rows[0] && 'step' in rows[0] ? rows : []
  } catch (error) {
    remarks.push(`${basename(file)} cannot be read: ${messageOf(error)}`)
    return []
  }
}

function rowsOfCsv(file: string, remarks: string[]): MetricsRow[] {
  const { columns, rows } = readSheet(file, remarks) ?? { columns: [], rows: [] }
  return rows.map((row) => rowOf(columns.map((column, i) => [column, row[i]!])))
}

/** Reads a file of JSON Lines. An incomplete last line is left out. Throws a SyntaxError if another one is damaged. */
export function readLines(file: string): Record<string, unknown>[] {
  const lines = readText(file).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

function rowsOfLines(file: string): MetricsRow[] {
  return readLines(file).map((line) => rowOf(Object.entries(line)))
}

function rowsOfStream(file: string): MetricsRow[] {
  const table = tableFromFile(readRegularFile(file, MAX_TEXT))
  return table.schema.metadata.get('wire') === 'metrics' ? [...metricsRows(table)] : []
}

function rowOf(cells: readonly (readonly [name: string, value: unknown])[]): MetricsRow {
  const number = (value: unknown): number => (String(value).trim() === '' ? Number.NaN : Number(value))
  return Object.fromEntries(cells.map(([name, value]) => [name, number(value)])) as MetricsRow
}
