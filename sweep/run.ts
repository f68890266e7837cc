import { PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { attempt, makeFolder } from '../pipeline/files/files.js'
import { lockDirectory } from '../pipeline/files/lock.js'
import { recordOf, writePlan } from './directory.js'
import type { Executor, Outcome } from './executor.js'
import { promoted, shortened } from './halving.js'
import type { Plan, Point } from './point.js'
import { Results } from './results.js'

export interface SweepOptions {
  readonly directory: string
  readonly executor: Executor
  /** What a failed point does to the others. Default: they go on. */
  readonly onFail?: 'continue' | 'stop' | undefined
  /** Runs points again that failed before. */
  readonly retry?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called when the points to run are known, before the first; with halving, before each part (`epochs`). */
  readonly onStart?: ((part: Part) => void) | undefined
  readonly onOutcome?: ((outcome: Outcome, point: Point) => void) | undefined
}

/** What is about to run. */
export interface Part {
  readonly missing: number
  readonly total: number
  /** How many epochs; undefined: to the end. */
  readonly epochs: number | undefined
}

export interface SweepResult {
  readonly directory: string
  readonly total: number
  /** Points that were executed now; the others were there before, or are still missing. */
  readonly executed: number
  readonly done: number
  readonly failed: number
  /** Ended early, because others were better. */
  readonly halved: number
  /** Still to be run. */
  readonly missing: number
}

/**
 * Runs what is missing of a sweep: points without a result, those that were interrupted and, if asked to, those that
 * failed. With halving, all points are run a little, and then the better ones further. Each result is on the disk before
 * it is told. Throws a PipelineError `ARGUMENTS` where another process is at work in the directory, and `ABORTED` where
 * `signal` or a failed point ended the sweep early.
 */
export async function runSweep(plan: Plan, options: SweepOptions): Promise<SweepResult> {
  const { directory } = options
  attempt('make the directory', directory, () => makeFolder(directory))
  const unlock = lockDirectory(directory)
  try {
    writePlan(directory, recordOf(plan, version))
    return await new Running(plan, options).run()
  } finally {
    unlock()
  }
}

class Running {
  private readonly plan: Plan
  private readonly options: SweepOptions
  private readonly results: Results
  private readonly failing = new AbortController()
  private executed = 0

  constructor(plan: Plan, options: SweepOptions) {
    this.plan = plan
    this.options = options
    this.results = new Results(options.directory)
  }

  async run(): Promise<SweepResult> {
    const { plan, results } = this
    let points = plan.points
    for (const epochs of [...(plan.halving?.at ?? []), undefined]) {
      await this.runMissing(points, epochs)
      if (epochs !== undefined) points = promoted(plan, points, (point) => results.of(point, epochs))
    }
    return this.counts(points)
  }

  /** Runs those that have no result yet: to their end, or for so many epochs. */
  private async runMissing(points: readonly Point[], epochs: number | undefined): Promise<void> {
    const { results } = this
    const { executor, onFail = 'continue', retry = false, signal, onStart, onOutcome } = this.options
    const missing = points.filter((point) => {
      const status = results.of(point, epochs)?.status
      return status === undefined || (status === 'failed' && retry)
    })
    onStart?.({ missing: missing.length, total: points.length, epochs })
    const byKey = new Map(missing.map((point) => [point.key, point]))
    const both = signal ? AbortSignal.any([signal, this.failing.signal]) : this.failing.signal
    const parts = missing.map((point) => shortened(point, epochs))
    for await (const ended of executor.run(parts, both)) {
      if (ended.status === 'interrupted') continue
      const outcome = epochs === undefined ? ended : { ...ended, epochs }
      results.add(outcome)
      this.executed++
      onOutcome?.(outcome, byKey.get(outcome.key)!)
      if (outcome.status === 'failed' && onFail === 'stop') this.failing.abort()
    }
    if (signal?.aborted) throw stopped('stopped before its end', this.counts(this.plan.points))
    if (this.failing.signal.aborted) throw stopped('stopped because a point failed', this.counts(this.plan.points))
  }

  /** `whole`: the points that were to be run to their end. */
  private counts(whole: readonly Point[]): SweepResult {
    const { plan, results, executed } = this
    const rungs = [...(plan.halving?.at ?? []), undefined]
    const isFailed = (point: Point): boolean => rungs.some((epochs) => results.of(point, epochs)?.status === 'failed')
    const done = plan.points.filter((point) => results.of(point)?.status === 'done').length
    const failed = plan.points.filter(isFailed).length
    const total = plan.points.length
    const kept = new Set(whole)
    const halved = plan.points.filter((point) => !kept.has(point) && !isFailed(point) && !results.of(point)).length
    return {
      directory: this.options.directory,
      total,
      executed,
      done,
      failed,
      halved,
      missing: total - done - failed - halved,
    }
  }
}

function stopped(why: string, { done, failed, missing }: SweepResult): PipelineError {
  const counts = `${done} points are done, ${failed} failed, ${missing} are missing`
  return new PipelineError('ABORTED', `${why}: ${counts}; the same command goes on from here`)
}
