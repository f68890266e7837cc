import { type Column, inClassOrder, PipelineError, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import type { ColumnCells } from './column-cells.js'
import type { RowBlocks } from './row-blocks.js'

/** Rows, by their index. */
export type RowList = ArrayLike<number>

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
  /** The training rows. */
  readonly fit: RowList
  /** The name of their split. */
  readonly split: string
  /** What becomes of texts that the training rows do not have. */
  readonly unseen: 'error' | 'ignore'
  /** Path of the first file, for messages. */
  readonly path: string
}

/** Most different values of a column whose mode is sought. */
const MOST_VALUES = 1 << 20

/**
 * Finds what the cells of a column become: the categories that occur in the training rows, and the value of missing
 * cells. Throws a PipelineError `DATA` if there are no values to find it from, or if other rows have a category that
 * training rows have not.
 *
 * @param j index of the column in the stored rows
 * @param name name of the column in the model
 */
export async function fitColumn(
  cells: ColumnCells,
  j: number,
  name: string,
  { rows, fit, split, unseen, path }: Fitting,
  context: StageContext,
): Promise<FittedColumn> {
  if (cells.kind === 'category') return fitCategories(cells, j, name, { rows, fit, split, unseen, path }, context)
  const { missing, bytes } = cells.rules
  const lookup = cells.lookup
  const numbers = new ColumnValues(rows, j, lookup, fit, `${path}: column ${cells.rules.title}`)
  if (missing === 'error' || missing === 'drop') return { column: { kind: 'number', name }, lookup, fill: Number.NaN }
  const found =
    typeof missing === 'object'
      ? constantNumber(missing.constant, `${path}: column ${cells.rules.title}`)
      : missing === 'mean'
        ? await numbers.mean(context)
        : missing === 'median'
          ? await numbers.median(context)
          : await numbers.mode(context)
  if (found === undefined)
    throw new PipelineError(
      'DATA',
      `${path}: column ${cells.rules.title}: no row of the split ${split} has a value, so there is no ${missing}; leave the column out with drop`,
    )
  const fill = bytes ? Math.round(found) : found
  return { column: { kind: 'number', name, fill }, lookup, fill }
}

function constantNumber(constant: number | string, title: string): number {
  const value = Number(constant)
  if (constant !== '' && Number.isFinite(Math.fround(value))) return value
  throw new PipelineError('DATA', `${title}: it has numbers, and cannot be filled with "${constant}"`)
}

async function fitCategories(
  cells: ColumnCells,
  j: number,
  name: string,
  { rows, fit, split, unseen, path }: Fitting,
  context: StageContext,
): Promise<FittedColumn> {
  const { texts, places, rules } = cells
  const counts = new Float64Array(texts.length)
  for (let i = 0; i < fit.length; i++) {
    const code = rows.row(fit[i]!)[j]!
    if (!Number.isNaN(code)) counts[code]!++
    if (i % 4096 === 0) await turn(context)
  }
  const present = texts.filter((_, code) => rules.declared !== undefined || counts[code]! > 0)
  const most = rules.declared ?? inClassOrder(present)
  const categories = [...most]
  const fill = await fillOf()
  if (fill !== undefined && !categories.includes(fill)) categories.push(fill)
  if (categories.length === 0)
    throw new PipelineError(
      'DATA',
      `${path}: column ${rules.title}: no row of the split ${split} has a value; leave the column out with drop`,
    )
  const index = new Map(categories.map((category, i) => [category, i]))
  const lookup = Int32Array.from(texts, (text) => index.get(text) ?? -1)
  const unknown = await firstUnknown()
  if (unknown !== undefined)
    throw new PipelineError(
      'DATA',
      `${places[unknown]}: column ${rules.title}: no row of the split ${split} has "${texts[unknown]!.slice(0, 40)}"; unseen: ignore gives such rows no category`,
    )
  const encode = rules.text === 'ordinal' ? 'ordinal' : 'one-hot'
  const column: Column = { kind: 'category', name, encode, categories, unseen, ...(fill !== undefined && { fill }) }
  return { column, lookup, fill: fill === undefined ? Number.NaN : index.get(fill)! }

  function fillOf(): string | undefined {
    const { missing } = rules
    if (missing === 'error' || missing === 'drop') return undefined
    if (typeof missing === 'object') return String(missing.constant)
    // The first in the order of the categories of those that occur most.
    let best: string | undefined
    let mostRows = 0
    const codes = new Map(texts.map((text, code) => [text, code]))
    for (const category of categories) {
      const count = counts[codes.get(category)!]!
      if (count > mostRows) [best, mostRows] = [category, count]
    }
    return best
  }

  /** The code of a category that only rows outside the training rows have. Rows that were left out do not count. */
  async function firstUnknown(): Promise<number | undefined> {
    if (unseen === 'ignore' || !lookup.includes(-1)) return undefined
    for (let i = 0; i < rows.count; i++) {
      const code = rows.row(i)[j]!
      if (!Number.isNaN(code) && lookup[code] === -1) return code
      if (i % 4096 === 0) await turn(context)
    }
    return undefined
  }
}

/** The numbers of one column of some rows, without missing ones. */
class ColumnValues {
  private readonly rows: RowBlocks
  private readonly column: number
  private readonly lookup: ArrayLike<number> | undefined
  private readonly fit: RowList
  private readonly title: string

  constructor(rows: RowBlocks, column: number, lookup: ArrayLike<number> | undefined, fit: RowList, title: string) {
    this.title = title
    this.rows = rows
    this.column = column
    this.lookup = lookup
    this.fit = fit
  }

  async mean(context: StageContext): Promise<number | undefined> {
    let [sum, count] = [0, 0]
    await this.each(context, (value) => {
      sum += value
      count++
    })
    return count === 0 ? undefined : sum / count
  }

  /**
   * The middle of the sorted values; the mean of the two in the middle if their number is even. It is found without
   * sorting: by the first 16 bits of the float32 numbers, then by the others.
   */
  async median(context: StageContext): Promise<number | undefined> {
    const high = new Uint32Array(1 << 16)
    let count = 0
    await this.each(context, (value) => {
      high[orderOf(value) >>> 16]!++
      count++
    })
    if (count === 0) return undefined
    const lower = await this.ranked(Math.floor((count - 1) / 2), high, context)
    const upper = count % 2 === 1 ? lower : await this.ranked(count / 2, high, context)
    return (lower + upper) / 2
  }

  /** The value that is at `rank` in the order of the values. */
  private async ranked(rank: number, high: Uint32Array, context: StageContext): Promise<number> {
    const [first, left] = binOf(high, rank)
    const low = new Uint32Array(1 << 16)
    await this.each(context, (value) => {
      const order = orderOf(value)
      if (order >>> 16 === first) low[order & 0xffff]!++
    })
    const [second] = binOf(low, left)
    return numberAt(((first << 16) | second) >>> 0)
  }

  /** The most frequent value; the smallest of several. */
  async mode(context: StageContext): Promise<number | undefined> {
    const counts = new Map<number, number>()
    await this.each(context, (value) => {
      counts.set(value, (counts.get(value) ?? 0) + 1)
      if (counts.size > MOST_VALUES)
        throw new PipelineError(
          'DATA',
          `${this.title}: more than ${MOST_VALUES} different values; take missing: median`,
        )
    })
    let best: number | undefined
    for (const [value, count] of counts) {
      const most = best === undefined ? 0 : counts.get(best)!
      if (count > most || (count === most && value < best!)) best = value
    }
    return best
  }

  private async each(context: StageContext, take: (value: number) => void): Promise<void> {
    const { rows, column, lookup, fit } = this
    for (let i = 0; i < fit.length; i++) {
      const stored = rows.row(fit[i]!)[column]!
      if (!Number.isNaN(stored)) take(lookup ? lookup[stored]! : stored)
      if (i % 4096 === 0) await turn(context)
    }
  }
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** A whole number that is in the order of the float32 numbers: the sign bit is turned, and all bits of negative ones. */
function orderOf(value: number): number {
  float[0] = value
  const pattern = bits[0]!
  return (pattern & 0x80000000 ? ~pattern : pattern | 0x80000000) >>> 0
}

function numberAt(order: number): number {
  bits[0] = order & 0x80000000 ? order & 0x7fffffff : ~order
  return float[0]!
}

/** The bin in which a rank lies, and its rank inside. */
function binOf(bins: Uint32Array, rank: number): [bin: number, rank: number] {
  let left = rank
  let bin = 0
  while (left >= bins[bin]!) left -= bins[bin++]!
  return [bin, left]
}
