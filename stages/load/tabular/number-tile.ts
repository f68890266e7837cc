import type { Cell } from '../../../pipeline/stage-kit.js'
import type { ColumnCells } from './column-cells.js'
import type { ColumnRemarks } from './column-remarks.js'

/** The numbers that are copied from columns to rows at a time: as many as a cache holds. */
const TILE = 1 << 15

/** The largest float32 number. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127

/** Numbers of a column. */
export type NumberColumn = Float32Array | Float64Array

/**
 * The cells of some rows of columns of numbers, column after column. Columns are read in one piece, without a call for
 * each cell, and float32 numbers stay where they are. Cells that need more than that (texts, infinities, wrong cells) are not
 * read here.
 */
export class NumberTile {
  /** The most rows. */
  readonly size: number
  /** The numbers of each column. */
  readonly numbersOf: NumberColumn[]
  /** Where the rows begin in them. */
  readonly starts: Int32Array
  /** The code of the label of each row. */
  readonly labels: Int32Array
  /** The number of each row in its source. */
  readonly numbers: Int32Array
  /** The weight of each row. */
  readonly weights: Float64Array
  /** 1: the row is left out. */
  readonly isOut: Uint8Array
  /** Memory for columns whose numbers have to be copied. */
  private readonly columns: readonly Float64Array[]
  private readonly width: number
  private readonly missing: Uint32Array
  private readonly isExact: Uint8Array
  private rows = 0

  constructor(width: number) {
    this.width = width
    this.size = Math.max(1, Math.min(1024, Math.floor(TILE / Math.max(1, width))))
    const values = new Float64Array(this.size * width)
    this.columns = Array.from({ length: width }, (_, j) => values.subarray(j * this.size, (j + 1) * this.size))
    this.numbersOf = [...this.columns]
    this.starts = new Int32Array(width)
    this.labels = new Int32Array(this.size)
    this.numbers = new Int32Array(this.size)
    this.weights = new Float64Array(this.size)
    this.isOut = new Uint8Array(this.size)
    this.missing = new Uint32Array(width)
    this.isExact = new Uint8Array(width)
  }

  /**
   * Reads some rows. Returns false if one has a cell that is not read here; nothing has been counted then.
   *
   * @param cells the cells of each feature
   */
  read(cells: readonly ArrayLike<Cell>[], columns: readonly ColumnCells[], first: number, rows: number): boolean {
    if (columns.some(({ kind }) => kind !== 'number')) return false
    this.rows = rows
    this.isOut.fill(0)
    for (let j = 0; j < this.width; j++) {
      const column = columns[j]!
      const { missing, model, bytes } = column.rules
      const values = this.columns[j]!
      const numbers = cells[j]!
      this.missing[j] = 0
      this.isExact[j] = isExact(numbers) ? 1 : 0
      const { offset } = column
      if (numbers instanceof Float32Array && !bytes && offset === 0 && areFloats(numbers, first, first + rows)) {
        this.numbersOf[j] = numbers
        this.starts[j] = first
        continue
      }
      this.numbersOf[j] = values
      this.starts[j] = 0
      if (!copyNumbers(numbers, first, rows, values)) return false
      if (offset !== 0) {
        for (let i = 0; i < rows; i++) values[i] = values[i]! - offset
        this.isExact[j] = 0
      }
      const wrong = bytes ? countNoBytes(values, rows) : countNoFloats(values, rows)
      this.missing[j] = wrong
      // Missing cells are the only others that may be here.
      if (wrong > 0 && (model || missing === 'error' || countMissing(values, rows) !== wrong)) return false
      if (wrong === 0) continue
      if (column.dropsRows) markMissing(values, rows, this.isOut)
    }
    for (let j = 0; j < this.width; j++) columns[j]!.missing += this.missing[j]!
    return true
  }

  /** Takes the rows out that are left out. Returns the number of those that stay. */
  keep(): number {
    let kept = 0
    for (let i = 0; i < this.rows; i++) if (!this.isOut[i]) kept++
    if (kept === this.rows) return kept
    for (const list of [this.labels, this.numbers, this.weights]) pack(list, this.isOut, this.rows)
    for (const [j, column] of this.columns.entries()) {
      if (this.numbersOf[j] !== column)
        column.set(this.numbersOf[j]!.subarray(this.starts[j], this.starts[j]! + this.rows))
      this.numbersOf[j] = column
      this.starts[j] = 0
      pack(column, this.isOut, this.rows)
    }
    return kept
  }

  /** Shows the first `rows` rows to the remarks. */
  show(remarks: ColumnRemarks, rows: number): void {
    for (let j = 0; j < this.width; j++)
      remarks.seeColumn(j, this.numbersOf[j]!, this.starts[j]!, rows, this.isExact[j] === 1)
    remarks.saw(rows)
  }
}

/** Whether float32 holds all numbers of such a column. */
function isExact(cells: ArrayLike<Cell>): boolean {
  return (
    cells instanceof Float32Array ||
    cells instanceof Int16Array ||
    cells instanceof Uint16Array ||
    cells instanceof Int8Array ||
    cells instanceof Uint8Array
  )
}

/** Copies cells that are numbers, truth values or nothing (NaN). Returns false if there is another cell. */
function copyNumbers(cells: ArrayLike<Cell>, first: number, rows: number, to: Float64Array): boolean {
  if (cells instanceof BigInt64Array || cells instanceof BigUint64Array) copyLong(cells, first, rows, to)
  else if (ArrayBuffer.isView(cells)) to.set((cells as unknown as Float32Array).subarray(first, first + rows))
  else return copyCells(cells, first, rows, to)
  return true
}

/** Copies whole numbers of 64 bits, half by half: a bigint for each would take ten times as long. */
function copyLong(cells: BigInt64Array | BigUint64Array, first: number, rows: number, to: Float64Array): void {
  const { buffer, byteOffset, length } = cells
  const low = new Uint32Array(buffer, byteOffset, length * 2)
  const high = cells instanceof BigInt64Array ? new Int32Array(buffer, byteOffset, length * 2) : low
  for (let i = 0; i < rows; i++) {
    const at = 2 * (first + i)
    to[i] = high[at + 1]! * 2 ** 32 + low[at]!
  }
}

function copyCells(cells: ArrayLike<Cell>, first: number, rows: number, to: Float64Array): boolean {
  for (let i = 0; i < rows; i++) {
    const cell = cells[first + i]
    if (typeof cell === 'number') to[i] = cell
    else if (cell === undefined || cell === null) to[i] = Number.NaN
    else if (typeof cell === 'bigint' || typeof cell === 'boolean') to[i] = Number(cell)
    else return false
  }
  return true
}

/** Whether the numbers from `from` to `end` are finite. */
export function areFloats(values: Float32Array, from = 0, end = values.length): boolean {
  // NaN and infinities fail the comparison.
  for (let i = from; i < end; i++) if (!(Math.abs(values[i]!) <= LARGEST)) return false
  return true
}

function countNoFloats(values: Float64Array, rows: number): number {
  let count = 0
  for (let i = 0; i < rows; i++) if (!(Math.abs(values[i]!) <= LARGEST)) count++
  return count
}

function countNoBytes(values: Float64Array, rows: number): number {
  let count = 0
  for (let i = 0; i < rows; i++) if ((values[i]! & 255) !== values[i]) count++
  return count
}

function countMissing(values: Float64Array, rows: number): number {
  let count = 0
  for (let i = 0; i < rows; i++) if (Number.isNaN(values[i])) count++
  return count
}

function markMissing(values: Float64Array, rows: number, isOut: Uint8Array): void {
  for (let i = 0; i < rows; i++) if (Number.isNaN(values[i])) isOut[i] = 1
}

/** Moves the numbers of the rows that stay together. */
function pack(list: Float64Array | Int32Array, isOut: Uint8Array, rows: number): void {
  let to = 0
  for (let i = 0; i < rows; i++) if (!isOut[i]) list[to++] = list[i]!
}
