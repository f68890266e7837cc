import { PipelineError, type Problem } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { optionSchema } from '../pipeline/definition/option-schema.js'
import { hasInside } from '../pipeline/files/inside.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { type ColumnInfos, columnInfosOf, mergeMetricInfos } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { isSweepDirectory, outcomesIn, pointDirectory, readPlan } from '../sweep/directory.js'
import type { Outcome } from '../sweep/executor.js'
import { SweepMetrics } from '../sweep/metrics.js'
import { monitorProblem } from '../sweep/monitor.js'
import { readSettings } from './definition.js'
import { lastMetricsIn } from './evaluations.js'
import { readRecord, recordInside } from './record.js'
import { firstRemarks } from './remarks.js'
import { readNotes } from './run-notes.js'

/** One run, or one point of a sweep: its settings and its result. */
export interface Attempt {
  /** The name of the pipeline. */
  readonly name: string
  /** The values that tell the attempt from others, by name, without the seed. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The defaults of options that the run does not set, by name. */
  readonly defaults?: Readonly<Record<string, unknown>> | undefined
  /** The seed of the run. */
  readonly seed: number
  /** The fold of a cross-validation that is held out, from 1. */
  readonly fold?: number | undefined
  /** How far the run is; `ended early` by halving, `missing` if it has not started. */
  readonly status: 'done' | 'failed' | 'interrupted' | 'running' | 'missing' | 'ended early'
  /** Why the run failed or was interrupted. */
  readonly error?: string | undefined
  /** The last evaluation. */
  readonly final?: MetricsRow | undefined
  /** The run directory. */
  readonly directory: string
  /** The tags that people have given to the run. */
  readonly tags?: readonly string[]
}

/** Attempts, and how to compare them. */
export interface Attempts {
  /** The attempts, in order. */
  readonly attempts: readonly Attempt[]
  /** The metric that the first sweep with one names to compare settings by. */
  readonly monitor: string | undefined
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/**
 * Reads directories of sweeps and of runs, in the order given. A sweep may still be running. Throws a PipelineError
 * that names every directory that is neither.
 *
 * @param stages the stages whose options have defaults; without them, an option that is not set has no value
 */
export function readAttempts(
  directories: readonly string[],
  stages: ReadonlyMap<string, AnyStage> = new Map(),
): Attempts {
  const problems: Problem[] = []
  const all = directories.flatMap((directory) => {
    try {
      return isSweepDirectory(directory) ? whole(sweepAttempts(directory)) : runAttempt(directory, stages)
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      problems.push(...error.problems)
      return []
    }
  })
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  return {
    attempts: all.flatMap(({ attempts }) => attempts),
    monitor: all.find(({ monitor }) => monitor !== undefined)?.monitor,
    metricInfos: mergeMetricInfos(all.map(({ metricInfos }) => metricInfos)),
    remarks: all.flatMap(({ remarks }) => remarks),
  }
}

function whole<T>(steps: Generator<unknown, T>): T {
  let step = steps.next()
  while (!step.done) step = steps.next()
  return step.value
}

/**
 * Reads a sweep in steps, as `readAttempts` does at once: it may have thousands of points, and between two steps a caller can let
 * others have the event loop. Throws a PipelineError `DATA` if its plan is damaged.
 */
export function* sweepAttempts(directory: string): Generator<undefined, Attempts> {
  const remarks: string[] = []
  const { name, points, monitor } = readPlan(directory)
  yield
  const keys = new Set(points.map(({ key }) => key))
  const outcomes = new Map<string, Outcome>()
  for (const outcome of outcomesIn(directory, remarks)) {
    if (outcome && keys.has(outcome.key)) outcomes.set(outcome.key, outcome)
    yield
  }
  const attempts: Attempt[] = []
  for (const { key, settings, seed, fold } of points) {
    const point = { name, settings, seed, fold, directory: pointDirectory(directory, { key }) }
    const outcome = outcomes.get(key)
    if (outcome) {
      const { status, error, final, epochs } = outcome
      const isEarly = status === 'done' && epochs !== undefined
      attempts.push({ ...point, status: isEarly ? 'ended early' : status, error, final })
    } else attempts.push({ ...point, status: unfinishedStatus(directory, key, remarks) })
    yield
  }
  const metrics = new SweepMetrics(directory)
  const infos: ColumnInfos[] = []
  for (const { key } of points) {
    const outcome = outcomes.get(key)
    const found = outcome && remarked(remarks, () => metrics.of(outcome))
    if (found) infos.push(found)
    yield
  }
  const metricInfos = mergeMetricInfos(infos)
  remarks.push(...[monitorProblem(monitor, metricInfos)].filter((problem) => problem !== undefined))
  return { attempts, monitor, metricInfos, remarks: bounded(remarks, directory) }
}

/** The status of a point that has no result yet. */
function unfinishedStatus(directory: string, key: string, remarks: string[]): Attempt['status'] {
  if (!hasInside(directory, `points/${key}/run.json`)) return 'missing'
  const status = remarked(remarks, () => recordInside(directory, `points/${key}/run.json`).status)
  if (status === undefined) return 'missing'
  return status === 'interrupted' ? status : 'running'
}

/** Runs an operation. A PipelineError becomes a remark, and the result undefined. */
function remarked<T>(remarks: string[], operation: () => T): T | undefined {
  try {
    return operation()
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    remarks.push(error.message)
    return undefined
  }
}

function runAttempt(directory: string, stages: ReadonlyMap<string, AnyStage>): Attempts {
  const record = readRecord(directory)
  const { name, seed, status, error, metrics } = record
  const remarks: string[] = []
  const settings = readSettings(directory, record, remarks)
  const final = lastMetricsIn(directory, remarks)
  const { tags } = readNotes(directory, remarks)
  return {
    attempts: [{ name, settings, defaults: defaultsOf(settings, stages), seed, status, error, final, directory, tags }],
    monitor: undefined,
    metricInfos: columnInfosOf(Object.keys(final ?? {}), metrics),
    remarks: bounded(remarks, directory),
  }
}

/** The defaults of the options of stages that the settings name: `model.use` has those of `model.eta` and so on. */
function defaultsOf(settings: Attempt['settings'], stages: ReadonlyMap<string, AnyStage>): Record<string, unknown> {
  const defaults = Object.entries(settings).flatMap(([name, use]) => {
    const stage = name.endsWith('.use') ? stages.get(String(use)) : undefined
    const options = Object.entries(stage ? (optionSchema(stage.options).properties ?? {}) : {})
    return options.map(([option, schema]): [string, unknown] => [
      `${name.slice(0, -'use'.length)}${option}`,
      (schema as { readonly default?: unknown }).default,
    ])
  })
  return Object.fromEntries(defaults)
}

/** The first remarks on a directory, with its name. */
function bounded(remarks: readonly string[], directory: string): string[] {
  return firstRemarks(remarks).map((remark) => `${shortPath(directory)}: ${remark}`)
}
