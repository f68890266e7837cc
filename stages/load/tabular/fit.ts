import { type Column, inClassOrder, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import type { RowSpan } from '../row-span.js'
import type { ColumnCells } from './column-cells.js'
import { ColumnStatistic, type Statistic } from './column-statistics.js'
import type { RowBlocks } from './row-blocks.js'

/** A column and how its stored numbers become features. */
export interface FittedColumn {
  /** How cells become features. */
  readonly column: Column
  /** What the stored numbers stand for: numbers, or indices of categories (-1: none). Undefined: they are the numbers. */
  readonly lookup?: ArrayLike<number> | undefined
  /** The number, or the index of the category, of a missing cell. */
  readonly fill: number
}

/** From what columns are fitted. */
export interface Fitting {
  /** All rows that are kept. */
  readonly rows: RowBlocks
  /** Which of them are the training rows; undefined: all. */
  readonly isFit: ((row: number) => boolean) | undefined
  /** Which of them are in a split. */
  readonly isUsed: (row: number) => boolean
  /** The name of their split. */
  readonly split: string
  /** What becomes of texts that the training rows do not have. */
  readonly unseen: 'error' | 'ignore'
  /** Path of the first file, for messages. */
  readonly path: string
}

/** A column of the stored rows. */
export interface StoredColumn {
  /** Its cells. */
  readonly cells: ColumnCells
  /** Its index in the stored rows. */
  readonly index: number
  /** Its name in the model. */
  readonly name: string
}

/** Columns whose values are looked at together: a median counts 65,536 bins. */
const AT_ONCE = 32

/** Finds out one thing about a column while all rows pass, once or twice. */
interface Finder {
  /** How often the rows pass. */
  readonly passes: number
  /** Sees some rows. */
  see(rows: RowSpan, pass: number): void
  /** What has been found. Throws if there is nothing to find it from. */
  found(): FittedColumn
}

/**
 * Finds what the cells of columns become: the categories that occur in the training rows, and the value of missing cells.
 * Reads the rows in their order, so they may lie in a file. Throws a PipelineError `DATA` if there are no values to find it
 * from, or if rows of other splits have a category that training rows have not.
 */
export async function fitColumns(
  columns: readonly StoredColumn[],
  fitting: Fitting,
  context: StageContext,
): Promise<FittedColumn[]> {
  const fitted: FittedColumn[] = []
  for (let from = 0; from < columns.length; from += AT_ONCE) {
    const finders = columns.slice(from, from + AT_ONCE).map((column) => finderFor(column, fitting))
    const passes = Math.max(...finders.map((finder) => finder.passes))
    for (let pass = 0; pass < passes; pass++)
      for await (const rows of fitting.rows.inOrder()) {
        for (const finder of finders) if (pass < finder.passes) finder.see(rows, pass)
        await turn(context)
      }
    for (const finder of finders) fitted.push(finder.found())
  }
  return fitted
}

function finderFor(column: StoredColumn, fitting: Fitting): Finder {
  const { missing } = column.cells.rules
  if (column.cells.kind === 'category') return new Categories(column, fitting)
  if (typeof missing !== 'object' && missing !== 'error' && missing !== 'drop')
    return new Fill(column, missing, fitting)
  return { passes: 0, see: () => {}, found: () => numberColumn(column, fitting) }
}

/** A column of numbers whose missing cells, if there may be some, become a constant. */
function numberColumn({ cells, name }: StoredColumn, { path }: Fitting): FittedColumn {
  const { rules, lookup, offset } = cells
  const { missing } = rules
  if (typeof missing === 'object')
    return filled(cells, name, constantNumber(missing.constant, `${path}: column ${rules.title}`))
  return { column: { kind: 'number', name, ...(offset !== 0 && { offset }) }, lookup, fill: Number.NaN }
}

/** @param value what a missing cell is read as */
function filled({ rules, lookup, offset }: ColumnCells, name: string, value: number): FittedColumn {
  const fill = rules.bytes ? Math.round(value) : value
  return { column: { kind: 'number', name, fill, ...(offset !== 0 && { offset }) }, lookup, fill: fill - offset }
}

function constantNumber(constant: number | string, title: string): number {
  const value = Number(constant)
  if (constant !== '' && Number.isFinite(Math.fround(value))) return value
  throw new PipelineError('DATA', `${title}: it has numbers, and cannot be filled with "${constant}"`)
}

/** The value of missing cells of a column of numbers. */
class Fill implements Finder {
  readonly passes: number
  private readonly column: StoredColumn
  private readonly statistic: ColumnStatistic
  private readonly name: Statistic
  private readonly fitting: Fitting

  constructor(column: StoredColumn, name: Statistic, fitting: Fitting) {
    this.column = column
    this.name = name
    this.fitting = fitting
    this.statistic = new ColumnStatistic(name)
    this.passes = this.statistic.passes
  }

  see({ first, count, values }: RowSpan, pass: number): void {
    const { isFit, rows } = this.fitting
    const { cells, index } = this.column
    const { lookup } = cells
    for (let i = 0; i < count; i++) {
      const stored = values[i * rows.width + index]!
      if (Number.isNaN(stored) || (isFit && !isFit(first + i))) continue
      this.statistic.take(lookup ? lookup[stored]! : stored, pass)
    }
  }

  found(): FittedColumn {
    const { path, split } = this.fitting
    const { cells, name } = this.column
    const value = this.statistic.value(`${path}: column ${cells.rules.title}`)
    if (value !== undefined) return filled(cells, name, value + cells.offset)
    throw new PipelineError(
      'DATA',
      `${path}: column ${cells.rules.title}: no row of the split ${split} has a value, so there is no ${this.name}; leave the column out with drop`,
    )
  }
}

/** The categories of a column of texts. */
class Categories implements Finder {
  readonly passes = 1
  private readonly column: StoredColumn
  private readonly fitting: Fitting
  /** How many training rows have each code. */
  private readonly counts: Float64Array
  /** The first row of the splits that has each code; -1: none. */
  private readonly firstRows: Float64Array

  constructor(column: StoredColumn, fitting: Fitting) {
    this.column = column
    this.fitting = fitting
    const { length } = column.cells.texts
    this.counts = new Float64Array(length)
    this.firstRows = new Float64Array(length).fill(-1)
  }

  see({ first, count, values }: RowSpan): void {
    const { isFit, isUsed, rows } = this.fitting
    for (let i = 0; i < count; i++) {
      const code = values[i * rows.width + this.column.index]!
      if (Number.isNaN(code)) continue
      if (this.firstRows[code] === -1 && isUsed(first + i)) this.firstRows[code] = first + i
      if (!isFit || isFit(first + i)) this.counts[code]!++
    }
  }

  found(): FittedColumn {
    const { split, unseen, path } = this.fitting
    const { cells, name } = this.column
    const { texts, places, rules } = cells
    const present = texts.filter((_, code) => rules.declared !== undefined || this.counts[code]! > 0)
    const categories = [...(rules.declared ?? inClassOrder(present))]
    const fill = this.fillOf(categories)
    if (fill !== undefined && !categories.includes(fill)) categories.push(fill)
    if (categories.length === 0)
      throw new PipelineError(
        'DATA',
        `${path}: column ${rules.title}: no row of the split ${split} has a value; leave the column out with drop`,
      )
    const index = new Map(categories.map((category, i) => [category, i]))
    const lookup = Int32Array.from(texts, (text) => index.get(text) ?? -1)
    const unknown = unseen === 'ignore' ? undefined : this.firstUnknown(lookup)
    if (unknown !== undefined)
      throw new PipelineError(
        'DATA',
        `${places[unknown]}: column ${rules.title}: no row of the split ${split} has "${texts[unknown]!.slice(0, 40)}"; unseen: ignore gives such rows no category`,
      )
    const encode = rules.text === 'ordinal' ? 'ordinal' : 'one-hot'
    const column: Column = { kind: 'category', name, encode, categories, unseen, ...(fill !== undefined && { fill }) }
    return { column, lookup, fill: fill === undefined ? Number.NaN : index.get(fill)! }
  }

  private fillOf(categories: readonly string[]): string | undefined {
    const { rules, texts } = this.column.cells
    const { missing } = rules
    if (missing === 'error' || missing === 'drop') return undefined
    if (typeof missing === 'object') return String(missing.constant)
    // The first in the order of the categories of those that occur most.
    let best: string | undefined
    let mostRows = 0
    const codes = new Map(texts.map((text, code) => [text, code]))
    for (const category of categories) {
      const count = this.counts[codes.get(category)!]!
      if (count > mostRows) [best, mostRows] = [category, count]
    }
    return best
  }

  /** The code of the first row with a category that only rows outside the training rows have. */
  private firstUnknown(lookup: Int32Array): number | undefined {
    let found: number | undefined
    for (const [code, row] of this.firstRows.entries())
      if (row >= 0 && lookup[code] === -1 && (found === undefined || row < this.firstRows[found]!)) found = code
    return found
  }
}
