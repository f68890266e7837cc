import { DataType, type Table } from 'apache-arrow'
import { csvOf, nonFiniteAsText, PipelineError } from '../../pipeline/stage-kit.js'

/** A cell of a table whose columns are numbers and texts; null if it has no value. */
export type FlatCell = number | string | null

/**
 * Returns the rows of a table as lists of cells, in the order of its columns. Throws a PipelineError `DATA` if a column is
 * neither of numbers nor of texts.
 */
function flatRows(table: Table): FlatCell[][] {
  const columns = table.schema.fields.map(({ name, type }, i) => {
    if (!(DataType.isInt(type) || DataType.isFloat(type) || DataType.isUtf8(type) || DataType.isBool(type)))
      throw new PipelineError('DATA', `the column "${name}" is of ${type}, expected numbers or texts`)
    const column = table.getChildAt(i)!
    return DataType.isUtf8(type)
      ? (row: number) => column.get(row) as string | null
      : (row: number) => numberOf(column.get(row))
  })
  return Array.from({ length: table.numRows }, (_, row) => columns.map((cell) => cell(row)))
}

function numberOf(value: number | bigint | boolean | null): number | null {
  return value === null ? null : Number(value)
}

/** Whether a table is one of predictions. */
export function isPredictions(table: Table): boolean {
  return table.schema.metadata.get('wire') === 'predictions'
}

/** The names of the columns as a line of CSV. */
export function csvHeader(table: Table): string {
  return csvOf([table.schema.names.map(String)])
}

/** The rows as lines of CSV. A cell without a value is empty. */
export function csvLines(table: Table): string {
  return csvOf(flatRows(table).map((row) => row.map((cell) => cell ?? '')))
}

/** The rows as JSON Lines, an object each. A cell without a value is null. */
export function jsonLines(table: Table): string {
  const names = table.schema.names.map(String)
  return flatRows(table)
    .map((row) => `${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, row[i]])), nonFiniteAsText)}\n`)
    .join('')
}
