import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { PipelineError } from '../pipeline/errors.js'
import { attempt } from '../pipeline/files.js'
import { lockDirectory } from '../pipeline/lock.js'
import { version } from '../pipeline/record.js'
import { appendOutcome, pointDirectory, readOutcomes, writePlan } from './directory.js'
import type { Executor, Outcome } from './executor.js'
import type { Plan, Point } from './plan.js'

export interface SweepOptions {
  readonly directory: string
  readonly executor: Executor
  /** What a failed point does to the others. Default: they go on. */
  readonly onFail?: 'continue' | 'stop' | undefined
  /** Runs points again that failed before. */
  readonly retry?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when the points to run are known, before the first. */
  readonly onStart?: ((counts: { readonly missing: number; readonly total: number }) => void) | undefined
  readonly onOutcome?: ((outcome: Outcome, point: Point) => void) | undefined
}

export interface SweepResult {
  readonly directory: string
  readonly total: number
  /** Points that were executed now; the others were there before, or are still missing. */
  readonly executed: number
  readonly done: number
  readonly failed: number
  /** Neither done nor failed. */
  readonly missing: number
}

/**
 * Runs what is missing of a sweep: points without a result, those that were interrupted and, if asked to, those that
 * failed. Each result is on the disk before it is told. Throws a PipelineError `ARGUMENTS` where another process is
 * at work in the directory, and `ABORTED` where `signal` or a failed point ended the sweep early.
 */
export async function runSweep(plan: Plan, options: SweepOptions): Promise<SweepResult> {
  const { directory, executor, onFail = 'continue', retry = false, signal, onStart, onOutcome } = options
  attempt('make the directory', directory, () => mkdirSync(directory, { recursive: true }))
  const unlock = lockDirectory(directory)
  try {
    writePlan(directory, plan, version)
    const outcomes = readOutcomes(directory)
    const missing = plan.points.filter((point) => {
      const before = outcomes.get(point.key)
      return !(isThere(directory, point, before) || (before?.status === 'failed' && !retry))
    })
    onStart?.({ missing: missing.length, total: plan.points.length })
    const byKey = new Map(missing.map((point) => [point.key, point]))
    const stop = new AbortController()
    const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal
    let executed = 0
    for await (const outcome of executor.run(missing, both)) {
      outcomes.set(outcome.key, outcome)
      if (outcome.status === 'interrupted') continue
      appendOutcome(directory, outcome)
      executed++
      onOutcome?.(outcome, byKey.get(outcome.key)!)
      if (outcome.status === 'failed' && onFail === 'stop') stop.abort()
    }
    const result = countsOf(plan, outcomes, directory, executed)
    if (signal?.aborted) throw stopped('stopped before its end', result)
    if (stop.signal.aborted) throw stopped('stopped because a point failed', result)
    return result
  } finally {
    unlock()
  }
}

/** Whether the result of a point is there: its line, and its directory. */
function isThere(directory: string, point: Point, outcome: Outcome | undefined): boolean {
  return outcome?.status === 'done' && existsSync(join(pointDirectory(directory, point), 'run.json'))
}

function countsOf(
  { points }: Plan,
  outcomes: ReadonlyMap<string, Outcome>,
  directory: string,
  executed: number,
): SweepResult {
  const count = (status: Outcome['status']): number =>
    points.filter(({ key }) => outcomes.get(key)?.status === status).length
  const [done, failed, total] = [count('done'), count('failed'), points.length]
  return { directory, total, executed, done, failed, missing: total - done - failed }
}

function stopped(why: string, { done, failed, missing }: SweepResult): PipelineError {
  const counts = `${done} points are done, ${failed} failed, ${missing} are missing`
  return new PipelineError('ABORTED', `${why}: ${counts}; the same command goes on from here`)
}
