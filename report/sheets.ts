import { join } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import { fileReason } from '../pipeline/base/errors.js'
import { attempt } from '../pipeline/files/files.js'
import { entryInside, readInside } from '../pipeline/files/inside.js'
import { fromCsvText } from '../pipeline/formats/csv-text.js'

/** The content of a table file, as text. */
export interface Sheet {
  /** The names of the columns. */
  readonly columns: readonly string[]
  /** The cells, row by row. */
  readonly rows: readonly (readonly string[])[]
}

/** The largest text file that is read whole, in bytes. */
export const MAX_TEXT = 64 << 20

/**
 * Reads a text file of a run directory. Throws a PipelineError `DATA` if it cannot be read, or if it has more bytes than
 * `limit`.
 */
export function readText(directory: string, name: string, limit = MAX_TEXT): string {
  return attempt('read', join(directory, name), () => String(readInside(directory, name, limit)), 'DATA')
}

/**
 * Reads a CSV file of a run directory. Returns undefined if there is none, or if it cannot be read. Rows of another
 * length than the head, for example the last row of a run that was killed, are left out.
 *
 * @param remarks gets what could not be read, in words
 * @param limit the largest file that is read, in bytes
 */
export function readSheet(directory: string, name: string, remarks: string[], limit = MAX_TEXT): Sheet | undefined {
  try {
    if (entryInside(directory, name) === undefined) return undefined
    const text = String(readInside(directory, name, limit))
    const all: string[][] = parseCsv(text, { relax_column_count: true, skip_empty_lines: true })
    const [columns = [], ...rows] = all.map((row) => row.map(fromCsvText))
    const whole = rows.filter((row) => row.length === columns.length)
    if (whole.length < rows.length) remarks.push(`${name}: ${rows.length - whole.length} damaged rows left out`)
    return { columns, rows: whole }
  } catch (error) {
    remarks.push(`${name} cannot be read: ${fileReason(error)}`)
    return undefined
  }
}

/** Reads a file of JSON Lines. An incomplete last line is left out. Throws a SyntaxError if another one is damaged. */
export function readLines(directory: string, name: string): Record<string, unknown>[] {
  const lines = readText(directory, name).split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}
