import { errorCodes, formatProblem, type PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { listed, show } from '../pipeline/base/words.js'
import type { Expectation } from '../pipeline/definition/tests.js'
import { formatOrigin, locate, type Value } from '../pipeline/definition/value.js'
import type { Failure } from './failure.js'
import type { Observed } from './observed.js'
import { compareObserved } from './observed-failures.js'

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
