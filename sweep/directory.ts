import { appendFileSync, fstatSync, readSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { fileProblem, fileReason, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { checkDepth, nonFiniteAsText } from '../pipeline/base/json.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { attempt, makeFolder, replaceFile } from '../pipeline/files/files.js'
import { hasInside, linesInside, namesInside, readInside, withFileInside } from '../pipeline/files/inside.js'
import { checkTargetInside } from '../pipeline/files/output-path.js'
import type { Outcome } from './executor.js'
import type { Plan, Point } from './point.js'

/**
 * The files in the directory of a sweep. `sweep.json` is the plan, `points/KEY` is the run directory of a point, and
 * `results.jsonl` has a line for each point that ended, so that a table reads one file and not a thousand directories.
 * Processes that run single points of one sweep (`runOne`) do not append to it: each writes a file of its own into
 * `results`.
 */
const PLAN = 'sweep.json'
const RESULTS = 'results.jsonl'
const RESULT_FOLDER = 'results'

/** The largest `sweep.json`, and the largest file of one outcome, in bytes. */
const MAX = { plan: 64 << 20, outcome: 1 << 20 }

/** The name of the run directory of a point in `points`. */
const key = z.string().regex(/^[\w-]+$/)

const pointRecord = z.object({
  key,
  /** The values that tell the point from others, without the seed. */
  settings: z.record(z.string(), z.unknown()),
  /** The seed of the run. */
  seed: z.number(),
  /** The fold of a cross-validation that is held out, from 1. */
  fold: z.number().optional(),
})

const sweepRecord = z.object({
  /** The version of Millrace that planned the sweep. */
  millrace: z.string(),
  /** The name of the pipeline. */
  name: z.string(),
  /** The YAML file, or the name of a built-in pipeline. */
  pipeline: z.string(),
  /** The kernel that executes the points. */
  kernel: z.string(),
  /** The metric that settings are compared by, if the user named one. */
  monitor: z.string().optional(),
  /** The names of the settings, in order. */
  names: z.array(z.string()).readonly(),
  /** The data files that the points read. */
  data: z.array(dataSource.readonly()).readonly(),
  /** The points, in order. */
  points: z.array(pointRecord).readonly(),
})

/** The content of `sweep.json`: the plan of a sweep, without what only the execution needs. */
export type SweepRecord = z.output<typeof sweepRecord>

const numberOf = (value: unknown): unknown => (typeof value === 'string' ? Number(value) : value)

const outcomeRecord = z.object({
  key,
  status: z.enum(['done', 'failed', 'interrupted']),
  error: z.string().optional(),
  final: z.record(z.string(), z.preprocess(numberOf, z.number().or(z.nan()))).optional(),
  seconds: z.number(),
  epochs: z.number().optional(),
})

/** Whether a directory has a `sweep.json`, of whatever kind. */
export function isSweepDirectory(directory: string): boolean {
  return hasInside(directory, PLAN)
}

/** The run directory of a point, in the directory of its sweep. */
export function pointDirectory(directory: string, { key }: { readonly key: string }): string {
  return join(directory, 'points', key)
}

/** The record of a plan, for `sweep.json`. */
export function recordOf({ points, ...rest }: Plan, version: string): SweepRecord {
  return { millrace: version, ...rest, points: points.map(pointOf) }
}

function pointOf({ key, settings, seed, fold }: Point): SweepRecord['points'][number] {
  return { key, settings, seed, ...(fold !== undefined && { fold }) }
}

/** Throws a PipelineError `DEFINITION` if the `sweep.json` of so many points would be too large to be read again. */
export function checkPlanSize(points: readonly Point[]): void {
  let bytes = 0
  for (const point of points) {
    bytes += Buffer.byteLength(jsonText({ points: [pointOf(point)] }))
    if (bytes > MAX.plan)
      throw new PipelineError(
        'DEFINITION',
        `sweep: expected a plan (sweep.json) of at most ${MAX.plan >> 20} MiB, got more for ${counted(points.length, 'point')}; ` +
          'vary fewer settings, or name files in place of long values',
      )
  }
}

/**
 * Throws a PipelineError `ARGUMENTS` if a directory has files with the names of those of a sweep that no sweep has
 * written.
 */
export function checkSweepPlace(directory: string): void {
  const refuse = (name: string): PipelineError =>
    new PipelineError(
      'ARGUMENTS',
      `--out ${shortPath(directory)}: ${name} lies there and is not a file of a sweep, so a sweep does not write over ` +
        'it; give another directory, or move it away',
    )
  const found = attempt('make the directory', directory, () => statSync(directory, { throwIfNoEntry: false }))
  if (found && !found.isDirectory())
    throw new PipelineError('ARGUMENTS', `--out ${shortPath(directory)}: it is a file, expected a directory`)
  if (isSweepDirectory(directory)) {
    try {
      readPlan(directory)
    } catch {
      throw refuse(PLAN)
    }
  } else if (hasInside(directory, RESULTS)) throw refuse(RESULTS)
}

/**
 * Writes `sweep.json`. Makes the directory if it does not exist. Throws a PipelineError `WRITE`, also if the directory of
 * a point is a symbolic link: its run would be written to another place.
 */
export function writePlan(directory: string, record: SweepRecord): void {
  makePoints(directory, record)
  replaceFile(join(directory, PLAN), jsonText(record))
  endLastLine(directory)
}

/** Does the same as `writePlan` while other processes may do it at the same moment. Throws a PipelineError `WRITE`. */
export function sharePlan(directory: string, record: SweepRecord): void {
  const [file, text] = [join(directory, PLAN), jsonText(record)]
  makePoints(directory, record)
  if (hasPlan(directory, text)) return
  replaceFile(file, text, `${file}.${hostname()}-${process.pid}`)
}

function makePoints(directory: string, { points }: SweepRecord): void {
  for (const point of points) {
    const place = pointDirectory(directory, point)
    attempt('write in', place, () => checkTargetInside(directory, place, `the point ${point.key}`))
  }
  attempt('make the directory', directory, () => makeFolder(join(directory, 'points')))
}

/** Whether a directory has this plan already. */
function hasPlan(directory: string, text: string): boolean {
  try {
    return String(readInside(directory, PLAN, MAX.plan)) === text
  } catch {
    return false
  }
}

function jsonText(data: unknown): string {
  return `${JSON.stringify(data, null, 1)}\n`
}

/**
 * Ends the last line of `results.jsonl`. A sweep that was killed may have left half a line, and the next line must not
 * join it.
 */
function endLastLine(directory: string): void {
  const file = join(directory, RESULTS)
  if (!hasInside(directory, RESULTS)) return
  const isEnded = attempt('write', file, () =>
    withFileInside(directory, RESULTS, (descriptor) => {
      const [last, { size }] = [Buffer.alloc(1), fstatSync(descriptor)]
      return size === 0 || (readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() === '\n')
    }),
  )
  if (!isEnded) append(directory, '\n')
}

/** Appends to `results.jsonl`. Throws a PipelineError `WRITE`. */
function append(directory: string, text: string): void {
  const file = join(directory, RESULTS)
  attempt('write', file, () => {
    checkTargetInside(directory, file, RESULTS)
    appendFileSync(file, text)
  })
}

/** Reads `sweep.json`. Throws a PipelineError `DATA` if it is damaged. */
export function readPlan(directory: string): SweepRecord {
  const read = (): unknown => checkDepth(JSON.parse(String(readInside(directory, PLAN, MAX.plan))))
  return parseRecord(read, shortPath(join(directory, PLAN)))
}

/**
 * Checks the record of a sweep that `read` returns. Throws a PipelineError `DATA` if it is damaged.
 *
 * @param name of the record in the message
 */
export function parseRecord(read: () => unknown, name: string): SweepRecord {
  try {
    return sweepRecord.parse(read())
  } catch (cause) {
    const why =
      cause instanceof z.ZodError
        ? firstIssue(cause)
        : cause instanceof SyntaxError
          ? messageOf(cause)
          : fileProblem('read', name, cause)
    throw new PipelineError('DATA', `${name} is damaged: ${why}`, { cause })
  }
}

/** Appends the outcome of a point to `results.jsonl`. Throws a PipelineError `WRITE`. */
export function appendOutcome(directory: string, outcome: Outcome): void {
  append(directory, `${formatOutcome(outcome)}\n`)
}

/** Writes an outcome into a file of its own, in `results`. Throws a PipelineError `WRITE`. */
export function writeSingleOutcome(directory: string, outcome: Outcome): void {
  const folder = join(directory, RESULT_FOLDER)
  attempt('make the directory', folder, () => {
    checkTargetInside(directory, folder, RESULT_FOLDER)
    makeFolder(folder)
  })
  replaceFile(join(folder, `${outcome.key}.json`), `${formatOutcome(outcome)}\n`)
}

/** Replaces `results.jsonl` by these outcomes. Throws a PipelineError `WRITE`. */
export function writeOutcomes(directory: string, outcomes: readonly Outcome[]): void {
  replaceFile(join(directory, RESULTS), outcomes.map((outcome) => `${formatOutcome(outcome)}\n`).join(''))
}

/** Formats an outcome as one line of JSON. */
export function formatOutcome(outcome: Outcome): string {
  return JSON.stringify(outcome, nonFiniteAsText)
}

/**
 * Reads the last outcome of each point, by its key.
 *
 * @param remarks gets what could not be read, in words
 * @param keys of the points; the outcomes of others are left out. Default: all
 */
export function readOutcomes(
  directory: string,
  remarks: string[] = [],
  keys?: ReadonlySet<string>,
): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>()
  for (const outcome of outcomesIn(directory, remarks))
    if (outcome && (keys?.has(outcome.key) ?? true)) outcomes.set(outcome.key, outcome)
  return outcomes
}

/** Reads every outcome, in the order of `outcomesIn`. */
export function readAllOutcomes(directory: string): Outcome[] {
  return [...outcomesIn(directory, [])].filter((outcome) => outcome !== undefined)
}

/**
 * The outcomes; of two outcomes of a point the later one counts. Those in files of their own come first if the point failed
 * and last if it is done: a point that is done stays done. Damaged lines, such as the last line of a killed sweep, are left
 * out. There may be thousands: between two, also where it gives undefined, a caller can let others have the event loop.
 *
 * @param remarks gets what could not be read, in words
 */
export function* outcomesIn(directory: string, remarks: string[]): Generator<Outcome | undefined> {
  const single: Outcome[] = []
  for (const name of readOr([], RESULT_FOLDER, remarks, () => namesInside(directory, RESULT_FOLDER))) {
    if (name.endsWith('.json')) single.push(...outcomesOfFile(directory, `${RESULT_FOLDER}/${name}`, remarks))
    yield undefined
  }
  yield* single.filter(({ status }) => status !== 'done')
  if (hasInside(directory, RESULTS))
    try {
      for (const { text } of linesInside(directory, RESULTS)) yield parseOutcome(text)
    } catch (error) {
      remarks.push(unread(RESULTS, error))
    }
  yield* single.filter(({ status }) => status === 'done')
}

function outcomesOfFile(directory: string, file: string, remarks: string[]): Outcome[] {
  return readOr([], file, remarks, () => {
    const lines = String(readInside(directory, file, MAX.outcome)).split('\n')
    return lines.flatMap((line) => parseOutcome(line) ?? [])
  })
}

/** Reads something. If that fails, adds a remark and returns `otherwise`. */
function readOr<T>(otherwise: T, name: string, remarks: string[], read: () => T): T {
  try {
    return read()
  } catch (error) {
    remarks.push(unread(name, error))
    return otherwise
  }
}

function unread(name: string, error: unknown): string {
  return `${name} cannot be read: ${fileReason(error)}`
}

/** Reads an outcome from its line. Returns undefined if the line is damaged. */
export function parseOutcome(line: string): Outcome | undefined {
  try {
    return outcomeRecord.parse(JSON.parse(line)) as Outcome
  } catch {
    return undefined
  }
}
