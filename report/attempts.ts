import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PipelineError, type Problem } from '../pipeline/base/errors.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { isSweepDirectory, pointDirectory, readOutcomes, readPlan } from '../sweep/index.js'
import { readRecord, readRunText } from './read.js'
import { metricsIn } from './sheets.js'

/** One run, or one point of a sweep: what was tried, and what came of it. */
export interface Attempt {
  readonly name: string
  /** What tells it from others, by name; not the seed. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly seed: number
  readonly status: 'done' | 'failed' | 'interrupted' | 'running' | 'missing' | 'ended early'
  readonly error?: string | undefined
  /** The last evaluation. */
  readonly final?: MetricsRow | undefined
  readonly directory: string
}

export interface Attempts {
  readonly attempts: readonly Attempt[]
  /** The metric that a sweep is judged by, where it says so. */
  readonly monitor: string | undefined
}

/**
 * Reads directories of sweeps and of runs, in the order given. A sweep may be under way. Throws a PipelineError with
 * all that are neither.
 */
export function readAttempts(directories: readonly string[]): Attempts {
  const problems: Problem[] = []
  let monitor: string | undefined
  const attempts = directories.flatMap((directory) => {
    try {
      if (!isSweepDirectory(directory)) return [attemptOf(directory)]
      const sweep = sweepAttempts(directory)
      monitor ??= sweep.monitor
      return sweep.attempts
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      problems.push(...error.problems)
      return []
    }
  })
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
  return { attempts, monitor }
}

function sweepAttempts(directory: string): Attempts {
  const { name, points, monitor } = readPlan(directory)
  const outcomes = readOutcomes(directory)
  const attempts = points.map(({ key, settings, seed }): Attempt => {
    const place = pointDirectory(directory, { key })
    const found = outcomes.get(key)
    if (!found) return { name, settings, seed, status: begunStatus(place), directory: place }
    const { status, error, final, epochs } = found
    const ended = status === 'done' && epochs !== undefined ? 'ended early' : status
    return { name, settings, seed, status: ended, error, final, directory: place }
  })
  return { attempts, monitor }
}

/** Of a point that has no result yet. */
function begunStatus(directory: string): Attempt['status'] {
  if (!existsSync(join(directory, 'run.json'))) return 'missing'
  const { status } = readRecord(directory)
  return status === 'interrupted' ? status : 'running'
}

function attemptOf(directory: string): Attempt {
  const { name, seed, status, error } = readRecord(directory)
  const { settings } = readRunText(directory, [])
  return { name, settings, seed, status, error, final: metricsIn(directory, []).at(-1), directory }
}
