import { didYouMean } from '../pipeline/base/nearest.js'
import { counted, show } from '../pipeline/base/words.js'
import type { Condition, ExpectedCell, Tolerance } from '../pipeline/definition/tests.js'
import type { Cell, CellRow } from './cells.js'
import { shortest } from './numbers.js'

/** A cell that is not as expected. */
export interface Difference {
  /** The number of the expected row, from 0. */
  readonly row: number
  /** The column. */
  readonly column: string
  /** The number in the list that differs first; undefined if the cell is no list, or of another length. */
  readonly index?: number | undefined
  /** What was expected and what was found, in words. */
  readonly message: string
}

/** The tolerance of a bare `approx`. */
const NEAR: Tolerance = { relative: 1e-6 }

/** Says why a cell is not as expected; undefined if it is. */
export function cellProblem(
  expected: ExpectedCell,
  got: Cell,
  tolerance?: Tolerance,
): Omit<Difference, 'row' | 'column'> | undefined {
  if (isList(expected)) return listProblem(flat(expected), got, tolerance)
  if (isList(got) && !isCondition(expected)) return { message: `expected ${show(expected)}, got ${showCell(got)}` }
  const values: readonly (Cell & (string | number | boolean | null))[] = isList(got) ? got : [got]
  const index = values.findIndex((value) => !fits(expected, value, tolerance))
  if (index < 0) return undefined
  const message = `expected ${inWords(expected, tolerance)}, got ${showCell(values[index]!)}`
  return isList(got) ? { index, message } : { message }
}

function listProblem(expected: readonly ExpectedCell[], got: Cell, tolerance?: Tolerance) {
  if (!isList(got)) return { message: `expected a list of ${expected.length}, got ${showCell(got)}` }
  if (got.length !== expected.length)
    return { message: `expected ${counted(expected.length, 'number')}, got ${got.length}` }
  const index = expected.findIndex((value, i) => !fits(value, got[i]!, tolerance))
  if (index < 0) return undefined
  return { index, message: `expected ${inWords(expected[index]!, tolerance)}, got ${showCell(got[index]!)}` }
}

function fits(expected: ExpectedCell, got: string | number | boolean | null, tolerance?: Tolerance): boolean {
  if (isCondition(expected)) return fitsCondition(expected, got)
  if (typeof expected === 'number' && typeof got === 'number') return isNear(got, expected, tolerance)
  // YAML reads 1 and true as what they are, but names of classes are texts.
  return expected === got || (typeof got === 'string' && String(expected) === got)
}

function fitsCondition(condition: Condition, got: string | number | boolean | null): boolean {
  const { not, approx, absolute, relative, atLeast, atMost, above, below } = condition
  if (not !== undefined && fits(not, got)) return false
  const limits = [approx, atLeast, atMost, above, below]
  if (limits.every((limit) => limit === undefined)) return true
  if (typeof got !== 'number') return false
  const near = absolute === undefined && relative === undefined ? NEAR : { absolute, relative }
  return (
    (approx === undefined || isNear(got, approx, near)) &&
    (atLeast === undefined || got >= atLeast) &&
    (atMost === undefined || got <= atMost) &&
    (above === undefined || got > above) &&
    (below === undefined || got < below)
  )
}

function isNear(got: number, expected: number, tolerance: Tolerance | undefined): boolean {
  // A float32 is what is expected if it is the nearest one to it.
  if (Object.is(got, expected) || got === expected || (got === Math.fround(got) && got === Math.fround(expected)))
    return true
  if (tolerance === undefined) return false
  const { absolute = 0, relative = 0 } = typeof tolerance === 'number' ? { absolute: tolerance } : tolerance
  return Math.abs(got - expected) <= Math.max(absolute, relative * Math.abs(expected))
}

/** What is expected, as a part of a sentence. */
export function inWords(expected: ExpectedCell, tolerance?: Tolerance): string {
  if (isCondition(expected)) {
    const { approx, absolute, relative, ...others } = expected
    const words = {
      atLeast: 'at least',
      atMost: 'at most',
      above: 'more than',
      below: 'less than',
      not: 'anything but',
    }
    return [
      ...(approx === undefined ? [] : [`${approx}${margin({ absolute, relative }) || margin(NEAR)}`]),
      ...Object.entries(others).map(([key, value]) => `${words[key as keyof typeof words]} ${show(value)}`),
    ].join(' and ')
  }
  return `${show(expected)}${typeof expected === 'number' ? margin(tolerance) : ''}`
}

function margin(tolerance: Tolerance | undefined): string {
  const { absolute, relative } =
    typeof tolerance === 'number' ? { absolute: tolerance, relative: undefined } : (tolerance ?? {})
  const parts = [...(absolute ? [`${absolute}`] : []), ...(relative ? [`${relative * 100} %`] : [])]
  return parts.length > 0 ? ` ± ${parts.join(' or ')}` : ''
}

/** The differences between rows and those expected, which are as many. Columns that rows do not have are differences. */
export function rowDifferences(
  expected: readonly Readonly<Record<string, ExpectedCell>>[],
  got: readonly CellRow[],
  tolerance?: Tolerance,
): Difference[] {
  return expected.flatMap((row, i) =>
    Object.entries(row).flatMap(([column, cell]): Difference[] => {
      const found = got[i]
      if (!found) return []
      if (!Object.hasOwn(found, column)) {
        const names = Object.keys(found)
        return [
          {
            row: i,
            column,
            message: `there is no such column${didYouMean(column, names) || `; there are ${names.join(', ')}`}`,
          },
        ]
      }
      const problem = cellProblem(cell, found[column]!, tolerance)
      return problem ? [{ row: i, column, ...problem }] : []
    }),
  )
}

/** Whether something that is expected is a condition. */
function isCondition(expected: ExpectedCell): expected is Condition {
  return typeof expected === 'object' && expected !== null && !Array.isArray(expected)
}

function isList<T>(value: unknown): value is readonly T[] {
  return Array.isArray(value)
}

function flat(list: readonly ExpectedCell[]): ExpectedCell[] {
  return list.flatMap((part) => (isList<ExpectedCell>(part) ? flat(part) : [part]))
}

function showCell(cell: Cell): string {
  return show(typeof cell === 'number' ? shortest(cell) : isList<number>(cell) ? cell.map(shortest) : cell)
}
