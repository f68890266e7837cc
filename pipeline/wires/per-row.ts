import { type Data, Field, Float32, Int32, makeData } from 'apache-arrow'
import type { Rows } from '../../kernels/contract.js'

/** What a table of examples may say of each of its rows beside features and label. Both are optional columns. */
export interface PerRow {
  /** Number of the row in its source, from 0, counted over all files in their order. */
  readonly row?: Int32Array | undefined
  /**
   * What the loss of the row is multiplied by in training steps: finite, not negative. The layout of a table with this
   * column says `weighted`.
   */
  readonly weight?: Float32Array | undefined
}

/** The rows of a table: what kernels and learners read, and what else the table says of each row. */
export type ExampleRows = Rows & PerRow

/** The name of a column of `PerRow`. */
export type PerRowName = 'row' | 'weight'

/** Their order in a table. */
const perRowNames: readonly PerRowName[] = ['row', 'weight']

const fields: Readonly<Record<PerRowName, Field>> = {
  row: new Field('row', new Int32(), false),
  weight: new Field('weight', new Float32(), false),
}

/** The columns that are there, in their order. */
export function perRowColumns(given: PerRow | undefined): PerRowName[] {
  return given ? perRowNames.filter((name) => given[name]) : []
}

/** The fields of the columns that are there. */
export function perRowFields(given: PerRow | undefined): Field[] {
  return perRowColumns(given).map((name) => fields[name])
}

/** The Arrow data of the columns that are there. Throws a TypeError if one has another number of rows. */
export function perRowData(given: PerRow | undefined, length: number): Data[] {
  return perRowColumns(given).map((name) => {
    const data = given![name]!
    if (data.length !== length)
      throw new TypeError(`examplesTable: ${length} rows need ${length} entries of "${name}", got ${data.length}`)
    return name === 'row'
      ? makeData({ type: new Int32(), length, nullCount: 0, data: data as Int32Array })
      : makeData({ type: new Float32(), length, nullCount: 0, data: data as Float32Array })
  })
}

/** Returns only what rows say of each row, or undefined if they say nothing. */
export function perRowOf({ row, weight }: PerRow): PerRow | undefined {
  return row || weight ? { ...(row && { row }), ...(weight && { weight }) } : undefined
}

/** Makes columns of `length` rows, with those names, filled with 0. */
export function newPerRow(length: number, names: readonly PerRowName[]): PerRow {
  return {
    ...(names.includes('row') && { row: new Int32Array(length) }),
    ...(names.includes('weight') && { weight: new Float32Array(length) }),
  }
}

/** Copies what row `from` of `source` says to row `to` of `target`, for the columns that `target` has. */
export function copyPerRow(source: PerRow, from: number, target: PerRow, to: number): void {
  if (target.row) target.row[to] = source.row![from]!
  if (target.weight) target.weight[to] = source.weight![from]!
}

/** The rows `from … to - 1` of the columns, as views. */
export function slicePerRow({ row, weight }: PerRow, from: number, to: number): PerRow {
  return { ...(row && { row: row.subarray(from, to) }), ...(weight && { weight: weight.subarray(from, to) }) }
}

/** The rows `at` of the columns, copied. */
export function gatherPerRow({ row, weight }: PerRow, at: ArrayLike<number>): PerRow {
  return {
    ...(row && { row: Int32Array.from(at, (i) => row[i]!) }),
    ...(weight && { weight: Float32Array.from(at, (i) => weight[i]!) }),
  }
}

/** Whether a number can be the weight of a row. */
export function isWeight(value: number): boolean {
  return value >= 0 && value < Number.POSITIVE_INFINITY
}
