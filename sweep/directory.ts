import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { fileProblem, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { shortPath } from '../pipeline/base/words.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { attempt, makeFolder, replaceFile } from '../pipeline/files/files.js'
import type { Outcome } from './executor.js'
import type { Plan } from './point.js'

/**
 * The files in the directory of a sweep. `sweep.json` is the plan, `points/KEY` is the run directory of a point, and
 * `results.jsonl` has a line for each point that ended, so that a table reads one file and not a thousand directories.
 * Processes that run single points of one sweep (`runOne`) do not append to it: each writes a file of its own into
 * `results`.
 */
const PLAN = 'sweep.json'
const RESULTS = 'results.jsonl'
const RESULT_FOLDER = 'results'

const pointRecord = z.object({
  /** The name of the run directory in `points`. */
  key: z.string().regex(/^[\w-]+$/),
  /** The values that tell the point from others, without the seed. */
  settings: z.record(z.string(), z.unknown()),
  /** The seed of the run. */
  seed: z.number(),
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
  key: z.string(),
  status: z.enum(['done', 'failed', 'interrupted']),
  error: z.string().optional(),
  final: z.record(z.string(), z.preprocess(numberOf, z.number().or(z.nan()))).optional(),
  seconds: z.number(),
  epochs: z.number().optional(),
})

/** Whether a directory has a `sweep.json`. */
export function isSweepDirectory(directory: string): boolean {
  return existsSync(join(directory, PLAN))
}

/** The run directory of a point, in the directory of its sweep. */
export function pointDirectory(directory: string, { key }: { readonly key: string }): string {
  return join(directory, 'points', key)
}

/** The record of a plan, for `sweep.json`. */
export function recordOf({ points, ...rest }: Plan, version: string): SweepRecord {
  return { millrace: version, ...rest, points: points.map(({ key, settings, seed }) => ({ key, settings, seed })) }
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
  } else if (existsSync(join(directory, RESULTS))) throw refuse(RESULTS)
}

/** Writes `sweep.json`. Makes the directory if it does not exist. Throws a PipelineError `WRITE`. */
export function writePlan(directory: string, record: SweepRecord): void {
  attempt('make the directory', directory, () => makeFolder(join(directory, 'points')))
  replaceFile(join(directory, PLAN), planText(record))
  endLastLine(join(directory, RESULTS))
}

/** Does the same as `writePlan` while other processes may do it at the same moment. Throws a PipelineError `WRITE`. */
export function sharePlan(directory: string, record: SweepRecord): void {
  const [file, text] = [join(directory, PLAN), planText(record)]
  attempt('make the directory', directory, () => makeFolder(join(directory, 'points')))
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  const temporary = `${file}.${hostname()}-${process.pid}`
  attempt('write', file, () => {
    writeFileSync(temporary, text)
    renameSync(temporary, file)
  })
}

function planText(record: SweepRecord): string {
  return `${JSON.stringify(record, null, 1)}\n`
}

/**
 * Ends the last line of a file. A sweep that was killed may have left half a line, and the next line must not join it.
 */
function endLastLine(file: string): void {
  if (existsSync(file) && !readFileSync(file, 'utf8').endsWith('\n'))
    attempt('write', file, () => appendFileSync(file, '\n'))
}

/** Reads `sweep.json`. Throws a PipelineError `DATA` if it is damaged. */
export function readPlan(directory: string): SweepRecord {
  const file = join(directory, PLAN)
  return parseRecord(() => JSON.parse(readFileSync(file, 'utf8')), shortPath(file))
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
  const file = join(directory, RESULTS)
  attempt('write', file, () => appendFileSync(file, `${formatOutcome(outcome)}\n`))
}

/** Writes an outcome into a file of its own, in `results`. Throws a PipelineError `WRITE`. */
export function writeSingleOutcome(directory: string, outcome: Outcome): void {
  const folder = join(directory, RESULT_FOLDER)
  attempt('make the directory', folder, () => makeFolder(folder))
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

/** Reads the last outcome of each point, by its key. */
export function readOutcomes(directory: string): Map<string, Outcome> {
  return new Map(readAllOutcomes(directory).map((outcome) => [outcome.key, outcome]))
}

/**
 * Reads every outcome, in order; of two outcomes of a point the later one counts. Those in files of their own come
 * first if the point failed and last if it is done: a point that is done stays done. Damaged lines, such as the last
 * line of a killed sweep, are left out.
 */
export function readAllOutcomes(directory: string): Outcome[] {
  const folder = join(directory, RESULT_FOLDER)
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
  const single = files.sort().flatMap((name) => outcomesIn(join(folder, name)))
  const lines = outcomesIn(join(directory, RESULTS))
  const isDone = ({ status }: Outcome): boolean => status === 'done'
  return [...single.filter((each) => !isDone(each)), ...lines, ...single.filter(isDone)]
}

function outcomesIn(file: string): Outcome[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line) => parseOutcome(line) ?? [])
}

/** Reads an outcome from its line. Returns undefined if the line is damaged. */
export function parseOutcome(line: string): Outcome | undefined {
  try {
    return outcomeRecord.parse(JSON.parse(line)) as Outcome
  } catch {
    return undefined
  }
}
