import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import type { Trust } from '../pipeline/definition/trust.js'
import { pointDirectory, readOutcomes, recordOf, sharePlan, writeOwnOutcome } from './directory.js'
import { executePoint } from './execute.js'
import type { Outcome } from './executor.js'
import type { Plan } from './point.js'

export interface RunOneOptions {
  /** Of the sweep. */
  readonly directory: string
  readonly threads?: number | undefined
  /** How often to make checkpoints. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
  readonly trust?: Trust | undefined
  readonly signal: AbortSignal
}

/**
 * Runs the point of a number, from 0, into the directory of the sweep, where other processes may be running others. One
 * that is done already is not run again. Throws a PipelineError `ARGUMENTS` where there is no such point.
 */
export async function runOne(plan: Plan, number: number, options: RunOneOptions): Promise<Outcome> {
  const { directory, threads, checkpoint, trust = {}, signal } = options
  if (plan.halving)
    throw new PipelineError(
      'ARGUMENTS',
      'halving compares points while the sweep goes on, which points that run alone cannot; use millrace sweep, or leave "halving" out',
    )
  const point = plan.points[number]
  if (!point)
    throw new PipelineError(
      'ARGUMENTS',
      `there is no point ${number}: ${plan.name} has the points 0 to ${plan.points.length - 1}`,
    )
  sharePlan(directory, recordOf(plan, version))
  const place = pointDirectory(directory, point)
  const before = readOutcomes(directory).get(point.key)
  if (before?.status === 'done' && existsSync(join(place, 'run.json'))) return before
  const outcome = await executePoint(point, { directory: place, threads, checkpoint, trust }, signal)
  if (outcome.status !== 'interrupted') writeOwnOutcome(directory, outcome)
  return outcome
}
