import { counted, didYouMean, type ModelInputs, PipelineError, someOf, widthOf } from '../../../pipeline/stage-kit.js'

/** A column: its name, or its index from 0 (negative: from the end). */
export type ColumnName = string | number

/** The columns of a table that are used. */
export interface Columns {
  /** Number of columns. */
  readonly count: number
  /** The names of all columns, or undefined if the table has no header. */
  readonly names: readonly string[] | undefined
  /** The index of the label column; -1 if rows for a trained model have none. */
  readonly label: number
  /** The index of the column of weights; -1 if there is none. */
  readonly weight: number
  /** The index of the column that tells which rows belong together; -1 if there is none. */
  readonly group: number
  /** The indices of the feature columns, in the order of the features. */
  readonly features: readonly number[]
}

/** Which columns are used; see the options of the load stages. */
export interface ColumnChoice {
  /** The label column; undefined: the default of the format. */
  readonly label?: ColumnName | undefined
  /** Columns that are left out. */
  readonly drop: readonly ColumnName[]
  /** The columns that become features; undefined: all others. */
  readonly select?: readonly ColumnName[] | undefined
  /** The column of the weights of rows, if there is one. */
  readonly weight?: ColumnName | undefined
  /** The column that tells which rows belong together, if there is one. It is no feature. */
  readonly group?: ColumnName | undefined
}

/** Finds columns of one table by name or index. Throws a PipelineError `DATA` if there is no such column, or several. */
class ColumnFinder {
  private readonly path: string
  readonly names: readonly string[] | undefined
  readonly count: number

  constructor(path: string, names: readonly string[] | undefined, count: number) {
    this.path = path
    this.names = names
    this.count = count
  }

  find = (column: ColumnName): number => {
    const at = this.indexOf(column)
    if (at >= 0 && at < this.count) return at
    throw new PipelineError('DATA', `${this.path}: no column ${column}: the file has ${counted(this.count, 'column')}`)
  }

  private indexOf(column: ColumnName): number {
    const { path, names, count } = this
    if (typeof column === 'number') return column < 0 ? count + column : column
    const name = names?.includes(column) ? column : column.trim()
    // A text cannot be a name there.
    if (!names && /^-?\d{1,9}$/.test(name)) return this.indexOf(Number(name))
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
}

/**
 * Finds the label, the weights, and the features: the selected columns, or all others but those to leave out. Throws a
 * PipelineError `DATA` if a column does not exist or several have the name, or if no feature remains.
 *
 * @param count the number of columns
 * @param hint ends the message if there is only one column
 */
export function chooseColumns(
  path: string,
  names: readonly string[] | undefined,
  count: number,
  choice: ColumnChoice,
  hint = '',
): Columns {
  const { find } = new ColumnFinder(path, names, count)
  const label = find(choice.label ?? -1)
  const weight = choice.weight === undefined ? -1 : find(choice.weight)
  const group = choice.group === undefined ? -1 : find(choice.group)
  if (weight === label) throw new PipelineError('DATA', `${path}: label and weight are the same column`)
  const selected = choice.select?.map(find)
  const others = [label, weight, group]
  const twice = selected?.find((column, i) => others.includes(column) || selected.indexOf(column) !== i)
  if (twice !== undefined)
    throw new PipelineError(
      'DATA',
      `${path}: select: the column ${columnTitle({ names }, twice)} is ${twice === label ? 'the label' : twice === weight ? 'the weight' : twice === group ? 'the group' : 'there twice'}`,
    )
  const left = new Set([label, weight, group, ...choice.drop.map(find)])
  const features =
    selected ?? Array.from({ length: count }, (_, column) => column).filter((column) => !left.has(column))
  if (features.length === 0) throw new PipelineError('DATA', `${path}: no feature columns beside the label${hint}`)
  return { count, names, label, weight, group, features }
}

/**
 * Finds the columns that a trained model takes: by name if the table and the model have names, else by position. A label
 * is not needed. Throws a PipelineError `DATA` if a column is missing.
 *
 * @param note gets a remark on columns that the model does not take
 */
export function columnsOfModel(
  path: string,
  names: readonly string[] | undefined,
  count: number,
  choice: ColumnChoice,
  model: ModelInputs,
  note: (text: string) => void,
): Columns {
  const { find } = new ColumnFinder(path, names, count)
  const weight = choice.weight === undefined ? -1 : find(choice.weight)
  if (!names || !model.columns) return byPosition(path, names, count, choice, model, weight)
  const wanted = model.columns.map(({ name }) => name)
  // A feature may have the name of the label, if an index says which column that is.
  const given = typeof choice.label === 'number' && choice.label < count ? find(choice.label) : -1
  const places = placesOf(names, given)
  const missing = wanted.filter((name) => !places.has(name))
  if (missing.length > 0)
    throw new PipelineError(
      'DATA',
      `${path}: the model takes ${missing.length === 1 ? 'the column' : 'the columns'} ${someOf(missing)}, which the file does not have; its columns: ${someOf(names)}`,
    )
  const inModel = placesOf(wanted)
  // Columns of one name are in the order in which the model has them.
  const features = wanted.map((name, i) => {
    const [found, own] = [places.get(name)!, inModel.get(name)!]
    return found.length === own.length ? found[own.indexOf(i)]! : find(name)
  })
  const label = labelIn(names, count, choice.label ?? model.label ?? count, features, find)
  if (label < 0 && typeof choice.label === 'string')
    note(`${path}: no column "${choice.label}", so the rows have no labels`)
  const left = new Set([label, weight, ...features, ...choice.drop.map(find)])
  const others = names.filter((_, column) => !left.has(column))
  if (others.length > 0)
    note(`${path}: left out, because the model does not take ${others.length === 1 ? 'it' : 'them'}: ${someOf(others)}`)
  return { count, names, label, weight, group: -1, features }
}

/** Where each name stands, but at one place. */
function placesOf(names: readonly string[], without = -1): Map<string, number[]> {
  const places = new Map<string, number[]>()
  for (const [i, name] of names.entries()) {
    if (i === without) continue
    const list = places.get(name)
    if (list) list.push(i)
    else places.set(name, [i])
  }
  return places
}

/** The index of the label column; -1 if the file has none: rows for a trained model need no label. */
function labelIn(
  names: readonly string[] | undefined,
  count: number,
  label: ColumnName,
  features: readonly number[],
  find: (column: ColumnName) => number,
): number {
  const isName = typeof label === 'string' && !(names === undefined && /^-?\d{1,9}$/.test(label.trim()))
  if (isName && names && !names.includes(label) && !names.includes(label.trim())) return -1
  if (!isName && (Number(label) >= count || Number(label) < -count)) return -1
  const at = find(label)
  return features.includes(at) ? -1 : at
}

function byPosition(
  path: string,
  names: readonly string[] | undefined,
  count: number,
  choice: ColumnChoice,
  model: ModelInputs,
  weight: number,
): Columns {
  const { find } = new ColumnFinder(path, names, count)
  const width = model.columns?.length ?? widthOf(model.shape)
  const left = new Set([weight, ...choice.drop.map(find)])
  const others =
    choice.select?.map(find) ??
    Array.from({ length: count }, (_, column) => column).filter((column) => !left.has(column))
  const label =
    !choice.select && others.length === width && choice.label === undefined
      ? -1
      : labelIn(names, count, choice.label ?? -1, others.length === width ? others : [], find)
  const features = others.filter((column) => column !== label)
  if (features.length !== width)
    throw new PipelineError(
      'DATA',
      `${path}: the model takes ${width} columns (and a label, if there is one), the file has ${count}` +
        (choice.select ? `, and select names ${choice.select.length}` : ''),
    )
  // Without the column of the labels, those that are counted from the end are others.
  if (label < 0 && [...choice.drop, ...(choice.select ?? [])].some((column) => Number(column) < 0))
    throw new PipelineError(
      'DATA',
      `${path}: the file has no label column, so columns that are counted from the end are not those of the training data; give ${choice.select ? 'select' : 'drop'} with indices from 0`,
    )
  return { count, names, label, weight, group: -1, features }
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

/**
 * The label column of a file that always names its columns, if no option names it: "label" if there is one, else the
 * last.
 */
export function labelColumn(names: readonly string[] | undefined): number {
  return names?.lastIndexOf('label') ?? -1
}
