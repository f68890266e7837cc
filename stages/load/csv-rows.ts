import { PipelineError, type StageContext } from '../../pipeline/stage-kit.js'
import { ColumnRemarks } from './column-remarks.js'
import { type ColumnName, type Columns, chooseColumns, columnTitle, headerRemark } from './columns.js'
import { readRecords } from './csv-records.js'
import type { LabelCodes } from './label-codes.js'
import { RowBlocks } from './row-blocks.js'
import { readText } from './text.js'

/** The rows of one CSV file. */
export interface CsvRows {
  /** Path of the file. */
  readonly path: string
  /** The names of the features, or undefined if the file has no header. */
  readonly names: readonly string[] | undefined
  /** The features of each row and the code of its label. */
  readonly rows: RowBlocks
}

/** The format of a CSV file; see the options of `load/csv`. */
export interface CsvFormat {
  /** Whether the first line has the names of the columns. */
  readonly header: boolean
  /** The character between two cells. */
  readonly delimiter: string
  /** The encoding of the text; undefined: UTF-8, or UTF-16 by its mark. */
  readonly encoding?: string | undefined
  /** The label column: its name, or its index from 0 (negative: from the end). */
  readonly label: ColumnName
  /** Columns to leave out. */
  readonly drop: readonly ColumnName[]
}

/**
 * Reads a CSV file, which may be packed by gzip. Rows become numbers as they are read: no more than a piece of the text
 * is in memory. Adds notes about columns that are probably not what they seem. Throws a PipelineError `DATA` that names
 * the line and the column of the first wrong cell.
 *
 * @param labels gives each label its code
 */
export async function readCsv(
  path: string,
  format: CsvFormat,
  labels: LabelCodes,
  context: StageContext,
): Promise<CsvRows> {
  const remarks = new ColumnRemarks()
  let table: { readonly columns: Columns; readonly rows: RowBlocks; readonly exact: Float64Array } | undefined

  function onRecord(cells: string[], line: number): void {
    if (!table) {
      const columns = chooseColumns(path, cells, format.header, format)
      const width = columns.features.length
      table = { columns, rows: new RowBlocks(width), exact: new Float64Array(width) }
      if (format.header) return
    }
    const { columns, rows, exact } = table
    if (cells.length !== columns.count)
      throw new PipelineError('DATA', `${path}:${line}: expected ${columns.count} cells, found ${cells.length}`)
    for (let j = 0; j < exact.length; j++) exact[j] = numberIn(cells, columns.features[j]!, path, line, columns)
    const stored = rows.add(labels.codeOf(cells[columns.label]!, path, line))
    stored.set(exact)
    remarks.see(exact, stored)
  }

  await readRecords(path, readText(path, format.encoding, context), format.delimiter, onRecord)
  if (!table || table.rows.count === 0) throw new PipelineError('DATA', `${path} has no rows`)
  const { columns, rows } = table
  const titleOf = (feature: number): string => columnTitle(columns, columns.features[feature]!)
  const notes = [
    columns.names && headerRemark(path, columns.names),
    ...remarks.remarks(titleOf).map((text) => `${path}: ${text}`),
  ]
  for (const note of notes) if (note !== undefined) context.note(note)
  return { path, names: columns.names && columns.features.map((column) => columns.names![column]!), rows }
}

function numberIn(cells: readonly string[], column: number, path: string, line: number, columns: Columns): number {
  const cell = cells[column]!
  const value = Number(cell)
  if (cell !== '' && Number.isFinite(Math.fround(value))) return value
  const expected = Number.isFinite(value) && cell !== '' ? 'a number that float32 can hold' : 'a finite number'
  const title = columnTitle(columns, column).slice(0, 40)
  throw new PipelineError('DATA', `${path}:${line}: column ${title}: expected ${expected}, got "${cell.slice(0, 40)}"`)
}
