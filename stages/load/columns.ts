import { didYouMean, PipelineError, someOf } from '../../pipeline/stage-kit.js'

/** A column: its name, or its index from 0 (negative: from the end). */
export type ColumnName = string | number

/** The columns of a table that are used. */
export interface Columns {
  /** Number of columns. */
  readonly count: number
  /** The names of all columns, or undefined if the table has no header. */
  readonly names: readonly string[] | undefined
  /** The index of the label column. */
  readonly label: number
  /** The indices of the feature columns. */
  readonly features: readonly number[]
}

/**
 * Finds the label, and the features: all columns but the label and those to leave out. Throws a PipelineError `DATA` if
 * a column does not exist or several have the name, or if no feature remains.
 *
 * @param record the first record of the table; the names of the columns if `header`
 */
export function chooseColumns(
  path: string,
  record: readonly string[],
  header: boolean,
  { label, drop, delimiter }: { label: ColumnName; drop: readonly ColumnName[]; delimiter: string },
): Columns {
  const names = header ? record : undefined
  const find = (column: ColumnName): number => {
    const at = indexOf(path, column, names, record.length)
    if (at >= 0 && at < record.length) return at
    throw new PipelineError('DATA', `${path}: no column ${column}: the file has ${record.length} columns`)
  }
  const at = find(label)
  const left = new Set([at, ...drop.map(find)])
  const features = record.map((_, column) => column).filter((column) => !left.has(column))
  if (features.length === 0)
    throw new PipelineError(
      'DATA',
      `${path}: no feature columns beside the label; is ${JSON.stringify(delimiter)} the delimiter?`,
    )
  return { count: record.length, names, label: at, features }
}

function indexOf(path: string, column: ColumnName, names: readonly string[] | undefined, count: number): number {
  if (typeof column === 'number') return column < 0 ? count + column : column
  const name = column.trim()
  // A text cannot be a name there.
  if (!names && /^-?\d{1,9}$/.test(name)) return indexOf(path, Number(name), names, count)
  if (!names)
    throw new PipelineError('DATA', `${path}: columns have no names without a header, got "${name}"; give an index`)
  const at = names.indexOf(name)
  if (at >= 0 && names.lastIndexOf(name) === at) return at
  throw new PipelineError(
    'DATA',
    at >= 0
      ? `${path}: more than one column is named "${name}"; give an index from 0 to ${count - 1}`
      : `${path}: no column "${name}"${didYouMean(name, names) || `; columns: ${someOf(names)}`}`,
  )
}

/** The name of a column for messages: its name if it has one, else its index. */
export function columnTitle({ names }: Pick<Columns, 'names'>, column: number): string {
  const name = names?.[column]
  return name === undefined || name === '' ? `${column}` : name
}

/**
 * Returns a remark on a first line that is taken for names although it looks like data: all but at most one of its
 * cells are numbers. Names that count the columns are left alone: some programs write them.
 */
export function headerRemark(path: string, names: readonly string[]): string | undefined {
  const numbers = names.filter((name) => name !== '' && Number.isFinite(Number(name)))
  const isCount = numbers.every((name, i) => Number(name) === Number(numbers[0]) + i) && names.length > 2
  if (numbers.length === 0 || numbers.length < names.length - 1 || isCount) return undefined
  return `${path}: the first line names the columns, but it looks like data (${someOf(names)}); if it is a row, set header: false`
}
