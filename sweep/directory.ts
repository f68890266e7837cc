import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { dataSource } from '../pipeline/base/data-source.js'
import { fileProblem, messageOf, PipelineError } from '../pipeline/base/errors.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { shortPath } from '../pipeline/base/words.js'
import { attempt, makeFolder, replaceFile } from '../pipeline/files/files.js'
import type { Outcome } from './executor.js'
import type { Plan } from './point.js'

/**
 * The directory of a sweep: `sweep.json` is the plan, `points/KEY` the run directory of each point, and `results.jsonl`
 * has a line for each point that ended, so that a table need not open a thousand directories. Processes that do not know
 * of each other add no lines there: each has a file of its own in `results`.
 */
const PLAN = 'sweep.json'
const RESULTS = 'results.jsonl'
const OWN = 'results'

const point = z.object({
  key: z.string().regex(/^[\w-]+$/),
  settings: z.record(z.string(), z.unknown()),
  seed: z.number(),
})

const record = z.object({
  millrace: z.string(),
  name: z.string(),
  pipeline: z.string(),
  kernel: z.string(),
  monitor: z.string().optional(),
  names: z.array(z.string()).readonly(),
  data: z.array(dataSource).readonly(),
  points: z.array(point).readonly(),
})

/** What `sweep.json` says. */
export type SweepRecord = z.output<typeof record>

const numberOf = (value: unknown): unknown => (typeof value === 'string' ? Number(value) : value)

const outcome = z.object({
  key: z.string(),
  status: z.enum(['done', 'failed', 'interrupted']),
  error: z.string().optional(),
  final: z.record(z.string(), z.preprocess(numberOf, z.number().or(z.nan()))).optional(),
  seconds: z.number(),
  epochs: z.number().optional(),
})

export function isSweepDirectory(directory: string): boolean {
  return existsSync(join(directory, PLAN))
}

export function pointDirectory(directory: string, { key }: { readonly key: string }): string {
  return join(directory, 'points', key)
}

/** What there is to say of a plan, to those who want to know what came of it. */
export function recordOf({ points, ...rest }: Plan, version: string): SweepRecord {
  return { millrace: version, ...rest, points: points.map(({ key, settings, seed }) => ({ key, settings, seed })) }
}

/** Makes the directory if need be, and writes down what the sweep is now. */
export function writePlan(directory: string, written: SweepRecord): void {
  attempt('make the directory', directory, () => makeFolder(join(directory, 'points')))
  replaceFile(join(directory, PLAN), planText(written))
  endLastLine(join(directory, RESULTS))
}

/** The same, where other processes may be doing so at this moment. */
export function sharePlan(directory: string, written: SweepRecord): void {
  const [file, text] = [join(directory, PLAN), planText(written)]
  attempt('make the directory', directory, () => makeFolder(join(directory, 'points')))
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  const own = `${file}.${hostname()}-${process.pid}`
  attempt('write', file, () => {
    writeFileSync(own, text)
    renameSync(own, file)
  })
}

function planText(written: SweepRecord): string {
  return `${JSON.stringify(written, null, 1)}\n`
}

/** A sweep that was killed may have left half a line: the next must not be added to it. */
function endLastLine(file: string): void {
  if (existsSync(file) && !readFileSync(file, 'utf8').endsWith('\n'))
    attempt('write', file, () => appendFileSync(file, '\n'))
}

/** Reads `sweep.json`. Throws a PipelineError `DATA` where it is damaged. */
export function readPlan(directory: string): SweepRecord {
  const file = join(directory, PLAN)
  return parseRecord(() => JSON.parse(readFileSync(file, 'utf8')), shortPath(file))
}

/** Checks the record of a sweep. Throws a PipelineError `DATA` where `what` is damaged. */
export function parseRecord(read: () => unknown, what: string): SweepRecord {
  try {
    return record.parse(read())
  } catch (cause) {
    const why =
      cause instanceof z.ZodError
        ? `${cause.issues[0]!.path.join('.')}: ${cause.issues[0]!.message}`
        : cause instanceof SyntaxError
          ? messageOf(cause)
          : fileProblem('read', what, cause)
    throw new PipelineError('DATA', `${what} is damaged: ${why}`, { cause })
  }
}

/** Adds the outcome of a point to the results. */
export function appendOutcome(directory: string, outcome: Outcome): void {
  const file = join(directory, RESULTS)
  attempt('write', file, () => appendFileSync(file, `${lineOf(outcome)}\n`))
}

/** Writes an outcome down in a file of its own. */
export function writeOwnOutcome(directory: string, outcome: Outcome): void {
  const folder = join(directory, OWN)
  attempt('make the directory', folder, () => makeFolder(folder))
  replaceFile(join(folder, `${outcome.key}.json`), `${lineOf(outcome)}\n`)
}

/** Writes down all outcomes at once. */
export function writeOutcomes(directory: string, outcomes: readonly Outcome[]): void {
  replaceFile(join(directory, RESULTS), outcomes.map((outcome) => `${lineOf(outcome)}\n`).join(''))
}

/** An outcome as one line of JSON. Numbers that JSON does not have are written as text. */
export function lineOf(outcome: Outcome): string {
  return JSON.stringify(outcome, nonFiniteAsText)
}

/** The last outcome of each point by key. */
export function readOutcomes(directory: string): Map<string, Outcome> {
  return new Map(allOutcomes(directory).map((outcome) => [outcome.key, outcome]))
}

/**
 * Every outcome, in order; those of a file of their own last where a point is done and first where it failed, because one
 * that is done stays so. A line that is damaged, such as the last of a killed sweep, does not count.
 */
export function allOutcomes(directory: string): Outcome[] {
  const folder = join(directory, OWN)
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []
  const own = files.sort().flatMap((name) => outcomesIn(join(folder, name)))
  const lines = outcomesIn(join(directory, RESULTS))
  const isDone = ({ status }: Outcome): boolean => status === 'done'
  return [...own.filter((each) => !isDone(each)), ...lines, ...own.filter(isDone)]
}

function outcomesIn(file: string): Outcome[] {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line) => outcomeIn(line) ?? [])
}

/** The outcome that a line tells; undefined where it is damaged. */
export function outcomeIn(line: string): Outcome | undefined {
  try {
    return outcome.parse(JSON.parse(line)) as Outcome
  } catch {
    return undefined
  }
}
