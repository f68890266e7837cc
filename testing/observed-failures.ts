import { counted, listed } from '../pipeline/base/words.js'
import type { Expectation, ExpectedCell } from '../pipeline/definition/tests.js'
import type { CellRow } from './cells.js'
import { cellProblem, inWords, rowDifferences } from './compare.js'
import type { ExpectedRow, Failure } from './failure.js'
import type { Observed } from './observed.js'

/** Reports a failure at a key of an expectation. */
export type Fail = (key: string, message: string, more?: Partial<Failure>) => void

/** Compares what came out of an output with expectation number `i`. */
export function compareObserved(
  expectation: Expectation,
  i: number,
  { place, observed }: { place: string; observed: Observed },
  fail: Fail,
): void {
  const { count, tables, splits, metrics, rows, tolerance } = expectation
  const update = (path: readonly (string | number)[], value: unknown) => ({
    expectation: i,
    values: [[path, value] as const],
  })
  for (const [key, expected, got] of [
    ['count', count, observed.count],
    ['tables', tables, observed.tables],
  ] as const)
    if (expected !== undefined && cellProblem(expected, got)) {
      const noun = key === 'count' ? 'row' : 'table'
      fail(
        key,
        `${place}: expected ${several(expected, noun)}, got ${got}`,
        typeof expected === 'number' ? { update: update([key], got) } : {},
      )
    }
  if (splits !== undefined) compareSplits(splits, place, observed, fail, update)
  const [missing] = observed.count === 0 ? observed.missing : []
  if (missing !== undefined) fail(`where.${missing}`, `${place}: there is no column "${missing}"`)
  const last = observed.rows.at(-1)
  if (metrics && !last) fail('metrics', `${place}: there was no evaluation`)
  if (metrics && last) {
    const differences = rowDifferences([metrics], [last], tolerance)
    for (const { column, message } of differences)
      fail(
        `metrics.${column}`,
        `${place}: ${column}: ${message}`,
        isValue(metrics[column]!) && column in last ? { update: update(['metrics', column], last[column]) } : {},
      )
  }
  if (Array.isArray(rows)) compareRows(expectation, rows, i, place, observed, fail)
}

function compareSplits(
  splits: NonNullable<Expectation['splits']>,
  place: string,
  { splits: got }: Observed,
  fail: Fail,
  update: (path: string[], value: unknown) => NonNullable<Failure['update']>,
): void {
  const isList = Array.isArray(splits)
  const names = isList ? splits : Object.keys(splits)
  const found = [...got.keys()]
  const isSame = isList
    ? names.join('\n') === found.join('\n')
    : [...names].sort().join('\n') === [...found].sort().join('\n')
  if (!isSame) {
    const message = `${place}: expected the splits ${listed(names, 'and') || 'none'}, got ${listed(found, 'and') || 'none'}`
    fail('splits', message, { update: update(['splits'], isList ? found : Object.fromEntries(got)) })
    return
  }
  for (const [name, expected] of isList ? [] : Object.entries(splits))
    if (cellProblem(expected, got.get(name)!))
      fail(
        `splits.${name}`,
        `${place}: expected ${several(expected, 'row')} of ${name}, got ${got.get(name)}`,
        typeof expected === 'number' ? { update: update(['splits', name], got.get(name)) } : {},
      )
}

function compareRows(
  { match, tolerance }: Expectation,
  expected: readonly ExpectedRow[],
  i: number,
  place: string,
  observed: Observed,
  fail: Fail,
): void {
  const { rows, count } = observed
  if (match === 'some') {
    const missing = expected.filter((row) => !rows.some((got) => rowDifferences([row], [got], tolerance).length === 0))
    if (missing.length > 0)
      fail('rows', `${place}: none of ${counted(count, 'row')} is ${missing.map(rowInWords).join(', nor ')}`, {
        rows: { expected: missing, got: rows.slice(0, Math.max(3, missing.length)), differences: [] },
      })
    return
  }
  const from = match === 'last' ? Math.max(0, rows.length - expected.length) : 0
  const got = match === 'all' ? rows : rows.slice(from, from + expected.length)
  const differences = rowDifferences(expected, got, tolerance)
  const isCountWrong = match === 'all' ? count !== expected.length : got.length < expected.length
  if (differences.length === 0 && !isCountWrong) return
  const first = differences[0]
  const message = isCountWrong
    ? `${place}: expected ${match === 'all' ? '' : 'at least '}${counted(expected.length, 'row')}, got ${count}`
    : `${place}: rows[${first!.row}].${first!.column}${first!.index === undefined ? '' : `[${first!.index}]`}: ${first!.message}` +
      (differences.length > 1 ? `; and ${differences.length - 1} more` : '')
  const values = isCountWrong
    ? [[['rows'], got.map((row) => picked(row, expected))] as const]
    : differences
        .filter(({ row, column }) => isValue(expected[row]![column]!) && Object.hasOwn(got[row]!, column))
        .map(({ row, column }) => [['rows', row, column], got[row]![column]] as const)
  fail('rows', message, {
    rows: { expected, got, differences },
    ...(values.length > 0 && { update: { expectation: i, values } }),
  })
}

/** The cells of a row in the columns that a test names. */
function picked(row: CellRow, expected: readonly ExpectedRow[]): CellRow {
  const named = new Set(expected.flatMap((each) => Object.keys(each)))
  return Object.fromEntries(Object.entries(row).filter(([name]) => named.size === 0 || named.has(name)))
}

/** Whether something that is expected is a value or a list of values: a condition is not replaced by what came out. */
function isValue(expected: ExpectedCell): boolean {
  if (Array.isArray(expected)) return expected.every(isValue)
  return typeof expected !== 'object' || expected === null
}

function rowInWords(row: ExpectedRow): string {
  return `{ ${Object.entries(row)
    .map(([name, cell]) => `${name}: ${inWords(cell)}`)
    .join(', ')} }`
}

/** An expected number of things in words: `1 row`, `more than 1 table`, `from 2 to 3 rows`. */
function several(expected: ExpectedCell, noun: string): string {
  const words = inWords(expected)
  return counted(/(^|\s)1$/.test(words) ? 1 : 2, noun, words)
}
