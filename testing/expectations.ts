import type { PipelineError } from '../pipeline/base/errors.js'
import { errorCodes, formatProblem } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { listed, show } from '../pipeline/base/words.js'
import type { Expectation, ExpectedCell } from '../pipeline/definition/tests.js'
import { formatOrigin, locate, type Value } from '../pipeline/definition/value.js'
import type { CellRow } from './cells.js'
import { cellProblem, type Difference, inWords, rowDifferences } from './compare.js'
import type { Observed } from './observed.js'

/** A row that is expected. */
export type ExpectedRow = Readonly<Record<string, ExpectedCell>>

/** Something that is not as expected. */
export interface Failure {
  /** `file:line:column` of what was expected. */
  readonly where: string
  /** What was expected and what was found, in a line. */
  readonly message: string
  /** The rows side by side, if rows differ. */
  readonly rows?:
    | {
        readonly expected: readonly ExpectedRow[]
        readonly got: readonly CellRow[]
        readonly differences: readonly Difference[]
      }
    | undefined
  /** The first rows that went in, by place. */
  readonly inputs?:
    | readonly { readonly place: string; readonly count: number; readonly rows: readonly CellRow[] }[]
    | undefined
  /** What would make the test pass, by path within the expectation number `expectation`. */
  readonly update?:
    | {
        readonly expectation: number
        readonly values: readonly (readonly [path: readonly (string | number)[], value: unknown])[]
      }
    | undefined
}

/** What a run of a test has shown. */
export interface Found {
  /** The notes of its stages. */
  readonly notes: string[]
  /** The text of files; undefined if there is no such file. */
  readonly files: Map<string, string | undefined>
  /** Why it failed. */
  error: PipelineError | undefined
  /** The id of the stage that failed, if one did. */
  failedStage: string | undefined
  /** What came out, by the number of the expectation. */
  readonly observed: Map<number, { readonly place: string; readonly observed: Observed }>
  /** What went in, by place. */
  inputs: readonly (readonly [place: string, observed: Observed])[]
}

/** The failure of a test whose run fails although no error is expected. */
export function errorFailure(error: PipelineError, where: string, found: Found): Failure {
  return {
    where,
    message: `failed with ${error.code}: ${error.problems.map(formatProblem).map(oneLine).join('; ')}`,
    inputs: inputsOf(found),
  }
}

function inputsOf({ inputs }: Found): Failure['inputs'] {
  return inputs.map(([place, { count, rows }]) => ({ place, count, rows }))
}

/** Compares what was found with an expectation. `part` is where it is written, `i` its number. */
export function failuresOf(expectation: Expectation, i: number, part: Value, found: Found): Failure[] {
  const failures: Failure[] = []
  const fail = (key: string, message: string, more: Partial<Failure> = {}): void => {
    failures.push({
      where: formatOrigin(locate(part, key.split('.')).origin),
      message,
      inputs: inputsOf(found),
      ...more,
    })
  }
  const { error, notes = [], files = {} } = expectation
  if (error !== undefined) {
    const message = errorMismatch(error, found)
    if (message !== undefined) fail('error', message)
  }
  if (found.error) return failures
  for (const text of notes)
    if (!found.notes.some((note) => note.includes(text)))
      fail('notes', `expected a note with ${show(text)}, got ${found.notes.map(show).join(', ') || 'none'}`)
  for (const [name, wanted] of Object.entries(files)) {
    const text = found.files.get(name)
    const isRight =
      text !== undefined && (typeof wanted === 'string' ? text === wanted : text.includes(wanted.includes))
    if (!isRight)
      fail(
        'files',
        text === undefined
          ? `the run wrote no file ${name}`
          : typeof wanted === 'string'
            ? `${name}: ${firstDifference(wanted, text)}`
            : `${name}: expected a file with ${show(wanted.includes)}, got ${show(text)}`,
      )
  }
  const looked = found.observed.get(i)
  if (looked) compareObserved(expectation, i, looked, fail)
  return failures
}

type Fail = (key: string, message: string, more?: Partial<Failure>) => void

function compareObserved(
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
      const noun = key === 'count' ? 'rows' : 'tables'
      fail(
        key,
        `${place}: expected ${inWords(expected)} ${noun}, got ${got}`,
        typeof expected === 'number' ? { update: update([key], got) } : {},
      )
    }
  if (splits !== undefined) compareSplits(splits, place, observed, fail, update)
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
        `${place}: expected ${inWords(expected)} rows of ${name}, got ${got.get(name)}`,
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
      fail('rows', `${place}: none of ${count} rows is ${missing.map(rowInWords).join(', nor ')}`, {
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
    ? `${place}: expected ${match === 'all' ? '' : 'at least '}${expected.length} rows, got ${count}`
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

/** Says why an error is not the one that was expected; undefined if it is. */
function errorMismatch(
  expected: NonNullable<Expectation['error']>,
  { error: got, failedStage }: Found,
): string | undefined {
  const isCode = typeof expected === 'string' && errorCodes.includes(expected as never)
  const { code, message, stage } =
    typeof expected === 'object'
      ? expected
      : isCode
        ? { code: expected, message: undefined, stage: undefined }
        : { message: expected, code: undefined, stage: undefined }
  const wanted = [
    ...(code === undefined ? [] : [`the code ${code}`]),
    ...(message === undefined ? [] : [`a message with ${show(message)}`]),
    ...(stage === undefined ? [] : [`the stage ${stage}`]),
  ]
  const expectedText = `expected an error with ${listed(wanted, 'and')}`
  if (!got) return `${expectedText}, but the run is done`
  const isRight =
    (code === undefined || got.code === code) &&
    (message === undefined || got.message.includes(message)) &&
    (stage === undefined || failedStage === stage)
  return isRight ? undefined : `${expectedText}, got ${got.code}: ${oneLine(got.message)}`
}

function firstDifference(expected: string, got: string): string {
  const [a, b] = [expected.split('\n'), got.split('\n')]
  const line = a.findIndex((text, i) => text !== b[i])
  const at = line < 0 ? a.length : line
  return `line ${at + 1}: expected ${show(a[at] ?? 'no further line')}, got ${show(b[at] ?? 'no further line')}`
}
