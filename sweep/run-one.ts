import { PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import type { Trust } from '../pipeline/definition/trust.js'
import { checkSweepPlace, pointDirectory, recordOf, sharePlan, writeSingleOutcome } from './directory.js'
import { executePoint } from './execute.js'
import type { Outcome } from './executor.js'
import type { Plan } from './point.js'
import { Results } from './results.js'

/** How to run one point of a sweep. */
export interface RunOneOptions {
  /** The directory of the sweep. */
  readonly directory: string
  /** Threads of the kernel. Default: one per core. */
  readonly threads?: number | undefined
  /** How often to write checkpoints. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
  /** What the definition is allowed to do. */
  readonly trust?: Trust | undefined
  /** Interrupts the run. */
  readonly signal: AbortSignal
}

/**
 * Runs one point into the directory of its sweep, while other processes may run other points there. A point that is
 * done already is not run again. Throws a PipelineError `ARGUMENTS` if there is no such point, or if the sweep has a
 * halving.
 *
 * @param number of the point in the plan, from 0
 */
export async function runOne(plan: Plan, number: number, options: RunOneOptions): Promise<Outcome> {
  const { directory, threads, checkpoint, trust = {}, signal } = options
  if (plan.halving)
    throw new PipelineError(
      'ARGUMENTS',
      'halving compares points with each other, and this runs a single one; use millrace sweep, or leave "halving" out',
    )
  const point = plan.points[number]
  if (!point)
    throw new PipelineError(
      'ARGUMENTS',
      `there is no point ${number}: ${plan.name} has the points 0 to ${plan.points.length - 1}`,
    )
  checkSweepPlace(directory)
  sharePlan(directory, recordOf(plan, version))
  const place = pointDirectory(directory, point)
  const before = new Results(directory).of(point)
  if (before?.status === 'done') return before
  const outcome = await executePoint(point, { directory: place, threads, checkpoint, trust }, signal)
  if (outcome.status !== 'interrupted') writeSingleOutcome(directory, outcome)
  return outcome
}
