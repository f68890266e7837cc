import { PipelineError } from '../pipeline/base/errors.js'
import { version } from '../pipeline/base/package.js'
import { counted } from '../pipeline/base/words.js'
import { attempt, makeFolder } from '../pipeline/files/files.js'
import { lockDirectory } from '../pipeline/files/lock.js'
import { mergeMetricInfos } from '../pipeline/wires/metric-info.js'
import { checkSweepPlace, recordOf, writePlan } from './directory.js'
import type { Executor, Outcome } from './executor.js'
import { selectBest, withEpochs } from './halving.js'
import { SweepMetrics } from './metrics.js'
import type { Plan, Point } from './point.js'
import { Results } from './results.js'

/** How to run a sweep. */
export interface SweepOptions {
  /** The directory of the sweep. */
  readonly directory: string
  /** Executes the points. */
  readonly executor: Executor
  /** Whether the other points continue after one has failed. Default: they do. */
  readonly onFail?: 'continue' | 'stop' | undefined
  /** Whether to run points again that failed before. Default: no. */
  readonly retry?: boolean | undefined
  /** Stops the sweep. */
  readonly signal?: AbortSignal | undefined
  /** Called before the first point runs; with a halving, before the first point of each part. */
  readonly onStart?: ((part: SweepPart) => void) | undefined
  /** Called after each point, once its outcome is on the disk. */
  readonly onOutcome?: ((outcome: Outcome, point: Point) => void) | undefined
}

/** A part of a sweep: all of it, or a rung of a halving. */
export interface SweepPart {
  /** The number of points that still have to run. */
  readonly missing: number
  /** The number of points in this part. */
  readonly total: number
  /** The number of epochs to run each point for; undefined: to its end. */
  readonly epochs: number | undefined
}

/** The result of a sweep: the numbers of its points by their state. */
export interface SweepResult {
  /** The directory of the sweep. */
  readonly directory: string
  /** All points. */
  readonly total: number
  /** Points that this call has executed; with a halving, a point counts once for each part. */
  readonly executed: number
  /** Points that ran to their end. */
  readonly done: number
  /** Points that failed. */
  readonly failed: number
  /** Points that halving ended early, because others were better. */
  readonly halved: number
  /** Points that still have to run. */
  readonly missing: number
}

/**
 * Runs the missing points of a sweep: those without a result, those that were interrupted and, with `retry`, those that
 * failed. With a halving, all points run for a few epochs, and then the better ones continue. Throws a PipelineError:
 * `ARGUMENTS` if another process works in the directory, if files of the user lie where the sweep would write, or if a
 * halving cannot compare its points by the monitor; `ABORTED` if `signal` ended the sweep early; `STAGE` if a failed point
 * did.
 */
export async function runSweep(plan: Plan, options: SweepOptions): Promise<SweepResult> {
  const { directory } = options
  checkSweepPlace(directory)
  attempt('make the directory', directory, () => makeFolder(directory))
  const unlock = lockDirectory(directory)
  try {
    writePlan(directory, recordOf(plan, version))
    return await new SweepRunner(plan, options).run()
  } finally {
    unlock()
  }
}

class SweepRunner {
  private readonly plan: Plan
  private readonly options: SweepOptions
  private readonly results: Results
  private readonly metrics: SweepMetrics
  private readonly failing = new AbortController()
  private executed = 0

  constructor(plan: Plan, options: SweepOptions) {
    this.plan = plan
    this.options = options
    this.results = new Results(options.directory)
    this.metrics = new SweepMetrics(options.directory)
  }

  async run(): Promise<SweepResult> {
    const { plan } = this
    let points = plan.points
    for (const epochs of [...(plan.halving?.at ?? []), undefined]) {
      await this.runMissing(points, epochs)
      if (epochs !== undefined) points = this.bestOf(points, epochs)
    }
    return this.counts(points)
  }

  /** Selects the points that continue after a rung of the halving. */
  private bestOf(points: readonly Point[], epochs: number): readonly Point[] {
    const outcomeOf = (point: Point): Outcome | undefined => this.results.of(point, epochs)
    const infos = mergeMetricInfos(points.map((point) => this.metrics.of(outcomeOf(point) ?? point)))
    return selectBest(this.plan, points, outcomeOf, infos)
  }

  /** Runs the points that have no result yet: to their end, or for so many epochs. */
  private async runMissing(points: readonly Point[], epochs: number | undefined): Promise<void> {
    const { results } = this
    const { executor, onFail = 'continue', retry = false, signal, onStart, onOutcome } = this.options
    const missing = points.filter((point) => {
      const status = results.of(point, epochs)?.status
      return status === undefined || (status === 'failed' && retry)
    })
    onStart?.({ missing: missing.length, total: points.length, epochs })
    const byKey = new Map(missing.map((point) => [point.key, point]))
    const anySignal = signal ? AbortSignal.any([signal, this.failing.signal]) : this.failing.signal
    const shortened = missing.map((point) => withEpochs(point, epochs))
    for await (const executed of executor.run(shortened, anySignal)) {
      if (executed.status === 'interrupted') continue
      const outcome = epochs === undefined ? executed : { ...executed, epochs }
      results.add(outcome)
      this.executed++
      onOutcome?.(outcome, byKey.get(outcome.key)!)
      if (outcome.status === 'failed' && onFail === 'stop') this.failing.abort()
    }
    if (signal?.aborted) throw endedEarly('ABORTED', 'stopped before its end', this.counts(this.plan.points))
    if (this.failing.signal.aborted)
      throw endedEarly('STAGE', 'stopped because a point failed', this.counts(this.plan.points))
  }

  /** Counts the points by their state. @param finalists the points that run to their end */
  private counts(finalists: readonly Point[]): SweepResult {
    const { plan, results, executed } = this
    const rungs = [...(plan.halving?.at ?? []), undefined]
    const isFailed = (point: Point): boolean => rungs.some((epochs) => results.of(point, epochs)?.status === 'failed')
    const done = plan.points.filter((point) => results.of(point)?.status === 'done').length
    const failed = plan.points.filter(isFailed).length
    const total = plan.points.length
    const kept = new Set(finalists)
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

function endedEarly(code: 'ABORTED' | 'STAGE', why: string, { done, failed, missing }: SweepResult): PipelineError {
  const counts = `${counted(done, 'point')} done, ${failed} failed, ${missing} missing`
  return new PipelineError(code, `${why}: ${counts}; the same command goes on from here`)
}
