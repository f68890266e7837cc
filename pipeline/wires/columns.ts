import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { someOf } from '../base/words.js'

/** A column of numbers: one feature. */
export interface NumberColumn {
  /** It has numbers. */
  readonly kind: 'number'
  /** Name of the column. */
  readonly name: string
  /** What a missing cell is read as; without it, a missing cell is an error. */
  readonly fill?: number | undefined
  /** What is subtracted, in float64, before the number becomes float32: its digits would be lost otherwise. Default: 0. */
  readonly offset?: number | undefined
}

/** A column of texts: one feature per category, or their index. */
export interface CategoryColumn {
  /** It has texts. */
  readonly kind: 'category'
  /** Name of the column. */
  readonly name: string
  /** `one-hot`: one feature per category, 1 for that of the row, else 0. `ordinal`: the index of the category. */
  readonly encode: 'one-hot' | 'ordinal'
  /** The categories, in the order of their features or indices. */
  readonly categories: readonly string[]
  /** The category of a missing cell; without it, a missing cell is an error. */
  readonly fill?: string | undefined
  /** What becomes of another text: an error, or no category (all features 0; the index -1). */
  readonly unseen: 'error' | 'ignore'
}

/**
 * How one column of a data file becomes features. It is fitted on the training rows, flows with the examples, and is
 * stored with the model, so that new rows are read in the same way.
 */
export type Column = NumberColumn | CategoryColumn

/** Checks a column that was read from a file. */
export const column: z.ZodType<Column> = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('number'),
    name: z.string(),
    fill: z.number().optional(),
    offset: z.number().optional(),
  }),
  z.strictObject({
    kind: z.literal('category'),
    name: z.string(),
    encode: z.enum(['one-hot', 'ordinal']),
    categories: z.array(z.string()).min(1),
    fill: z.string().optional(),
    unseen: z.enum(['error', 'ignore']),
  }),
])

/** One cell of a row: a number, a text, a truth value, or null (undefined, NaN, '') if it is missing. */
export type Cell = number | bigint | string | boolean | null | undefined

/** The number of features of a column. */
export function featuresOfColumn(column: Column): number {
  return column.kind === 'category' && column.encode === 'one-hot' ? column.categories.length : 1
}

/** The names of the features that columns become: the name of the column, or `name=category` for one-hot features. */
export function featureNames(columns: readonly Column[]): string[] {
  return columns.flatMap((column) =>
    column.kind === 'category' && column.encode === 'one-hot'
      ? column.categories.map((category) => `${column.name}=${category}`)
      : [column.name],
  )
}

/**
 * Writes the features of one cell. Throws a PipelineError `DATA` with what was expected and found, without the place: the
 * caller knows it.
 *
 * @param to where the features go
 * @param at index of the first one
 */
export function encodeCell(column: Column, cell: Cell, to: { [index: number]: number }, at: number): void {
  if (column.kind === 'number') to[at] = numberOf(column, cell)
  else {
    const code = codeOf(column, cell)
    if (column.encode === 'ordinal') to[at] = code
    else for (let i = 0; i < column.categories.length; i++) to[at + i] = i === code ? 1 : 0
  }
}

/** Whether a cell has no value: nothing, NaN, or a text of nothing but blanks. */
export function isMissing(cell: Cell): cell is null | undefined | '' {
  if (typeof cell === 'string') return cell === '' || (cell.charCodeAt(0) <= 32 && cell.trim() === '')
  return cell === null || cell === undefined || (typeof cell === 'number' && Number.isNaN(cell))
}

function numberOf(column: NumberColumn, cell: Cell): number {
  const { fill, offset = 0 } = column
  if (isMissing(cell)) {
    if (fill !== undefined) return fill - offset
    throw problem(column, 'a number', cell)
  }
  const value = Number(cell) - offset
  if (Number.isFinite(Math.fround(value))) return value
  throw problem(column, Number.isFinite(value) ? 'a number that float32 can hold' : 'a finite number', cell)
}

/** The indices of the categories of a column, by their text. */
const indices = new WeakMap<Column, ReadonlyMap<string, number>>()

function codeOf(column: CategoryColumn, cell: Cell): number {
  let index = indices.get(column)
  if (!index) {
    index = new Map(column.categories.map((category, i) => [category, i]))
    indices.set(column, index)
  }
  // An empty text may be a category, if the load stage was told that it means no missing cell.
  const text = isMissing(cell) && !(cell === '' && index.has('')) ? column.fill : String(cell)
  if (text === undefined) throw problem(column, 'a category', cell)
  // Load stages read texts without blanks around them.
  const code = index.get(text) ?? index.get(text.trim())
  if (code !== undefined) return code
  if (column.unseen === 'ignore') return -1
  throw problem(column, `one of ${someOf(column.categories)}`, cell)
}

function problem({ name }: Column, expected: string, cell: Cell): PipelineError {
  const found = isMissing(cell) ? 'nothing' : `"${String(cell).slice(0, 40)}"`
  return new PipelineError('DATA', `column ${name.slice(0, 40)}: expected ${expected}, got ${found}`)
}
