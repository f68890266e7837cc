import { parse } from 'csv-parse'
import { messageOf, PipelineError, type StageContext } from '../../pipeline/stage-kit.js'
import { readSourceFile } from './source-file.js'

/** The rows of one CSV file. */
export interface CsvRows {
  /** Path of the file. */
  readonly path: string
  /** Number of features. */
  readonly width: number
  /** Names of the feature columns, or undefined if the file has no header. */
  readonly names: readonly string[] | undefined
  /** Row-major, `[rows, width]`. */
  readonly values: Float32Array
  /** The label of each row, as it is in the file. */
  readonly labels: readonly string[]
  /** The line number of each row, from 1. */
  readonly lines: readonly number[]
}

/** The format of a CSV file; see the options of `load/csv`. */
export interface CsvFormat {
  /** Whether the first line has the names of the columns. */
  readonly header: boolean
  /** The character between two cells. */
  readonly delimiter: string
  /** The label column: its name, or its index from 0 (negative: from the end). */
  readonly label: string | number
  /** Names of columns to leave out. */
  readonly drop: readonly string[]
}

/**
 * Reads a CSV file, which may be compressed (`.gz`). Throws a PipelineError `DATA` that names the line and column of
 * the first wrong cell.
 */
export async function readCsv(path: string, format: CsvFormat, context: StageContext): Promise<CsvRows> {
  const bytes = await readSourceFile(path, context)
  if (bytes.subarray(0, 8192).includes(0)) throw new PipelineError('DATA', `${path} is not a text file`)
  const parser = parse(bytes, {
    bom: true,
    delimiter: format.delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    trim: true,
    max_record_size: 1 << 24,
  })
  const labels: string[] = []
  const lines: number[] = []
  let values = new Float32Array(1024)
  let filled = 0
  let names: string[] | undefined
  let columns: { label: number; features: number[]; count: number } | undefined
  try {
    for await (const item of parser) {
      const { record, info } = item as { record: string[]; info: { lines: number } }
      if (!columns) {
        names = format.header ? record : undefined
        columns = chooseColumns(path, record, names, format)
        if (format.header) continue
      }
      if (record.length !== columns.count)
        throw new PipelineError(
          'DATA',
          `${path}:${info.lines}: expected ${columns.count} cells, found ${record.length}`,
        )
      const { features } = columns
      if (filled + features.length > values.length) values = grown(values, filled + features.length)
      for (const column of features)
        values[filled++] = numberIn(record[column]!, path, info.lines, names?.[column] ?? column)
      const label = record[columns.label]!
      if (label === '') throw new PipelineError('DATA', `${path}:${info.lines}: expected a label, got an empty cell`)
      labels.push(label)
      lines.push(info.lines)
      await context.flow.yieldToEventLoop()
    }
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('DATA', `${path}: ${messageOf(error)}`, { cause: error })
  }
  if (!columns || labels.length === 0) throw new PipelineError('DATA', `${path} has no rows`)
  const { features } = columns
  return {
    path,
    width: features.length,
    names: names && features.map((column) => names![column]!),
    values: values.subarray(0, filled),
    labels,
    lines,
  }
}

function chooseColumns(
  path: string,
  record: readonly string[],
  names: readonly string[] | undefined,
  format: CsvFormat,
) {
  const find = (name: string): number => {
    const at = names ? names.indexOf(name) : -1
    if (at >= 0 && names?.lastIndexOf(name) === at) return at
    if (at >= 0) throw new PipelineError('DATA', `${path}: more than one column is named "${name}"`)
    throw new PipelineError(
      'DATA',
      names
        ? `${path}: no column "${name}"; columns: ${names.join(', ')}`
        : `${path}: columns have no names without a header, got "${name}"; give an index`,
    )
  }
  const { label } = format
  const at = typeof label === 'string' ? find(label) : label < 0 ? record.length + label : label
  if (at < 0 || at >= record.length)
    throw new PipelineError('DATA', `${path}: no column ${label}: the file has ${record.length} columns`)
  const dropped = new Set([at, ...format.drop.map(find)])
  const features = record.map((_, column) => column).filter((column) => !dropped.has(column))
  if (features.length === 0)
    throw new PipelineError(
      'DATA',
      `${path}: no feature columns beside the label; is ${JSON.stringify(format.delimiter)} the delimiter?`,
    )
  return { label: at, features, count: record.length }
}

function numberIn(cell: string, path: string, line: number, column: string | number): number {
  const value = Number(cell)
  if (cell !== '' && Number.isFinite(Math.fround(value))) return value
  const expected = Number.isFinite(value) && cell !== '' ? 'a number that float32 can hold' : 'a finite number'
  throw new PipelineError('DATA', `${path}:${line}: column ${column}: expected ${expected}, got "${cell.slice(0, 40)}"`)
}

function grown(values: Float32Array<ArrayBuffer>, needed: number): Float32Array<ArrayBuffer> {
  const next = new Float32Array(Math.max(needed, values.length * 2))
  next.set(values)
  return next
}
