import type { Table } from 'apache-arrow'
import type { Observable, Subscription } from 'rxjs'
import type { Schedule } from '../../learners/index.js'
import { directionOf, isBetter, metricOf, metricsRows, type Numbers, PipelineError } from '../../pipeline/stage-kit.js'

/** Counts the reductions of a learning rate that watches a metric. */
export interface Plateau {
  /** The reductions so far. Throws the error of an evaluation that could not be used. */
  reductions(): number
  /** The state for checkpoints; undefined if the learning rate watches no metric. */
  state(): Float64Array | undefined
  /** Ends the watching. */
  end(): void
}

/**
 * Watches the metric of `eta: { plateau: … }`. After `patience` evaluations in a row that were not better than the best, the
 * next step has a rate that is smaller by `factor`, and the count begins anew. NaN is never better. Training waits during
 * an evaluation, so it always is the next step. An evaluation that comes too late is an error: with it, the steps would
 * depend on how fast the machine is.
 *
 * @param saved the state from a checkpoint, if the run is resumed
 * @param lastStep the last step that was made
 */
export function makePlateau(
  eta: Schedule,
  metrics: Observable<Table> | undefined,
  saved: Numbers | undefined,
  lastStep: () => number,
): Plateau {
  if (typeof eta !== 'object' || !('plateau' in eta))
    return { reductions: () => 0, state: () => undefined, end: () => {} }
  const { metric, patience, minDelta } = eta.plateau
  let [reductions = 0, worse = 0, best] = saved ?? []
  let failure: unknown
  const subscription: Subscription | undefined = metrics?.subscribe({
    next: (table) => {
      // No error can leave a subscriber of a wire, so the next step throws it.
      try {
        for (const row of metricsRows(table)) {
          if (row.step !== lastStep()) throw tooLate(row.step, lastStep())
          see(metricOf(row, metric), directionOf(table, metric))
        }
      } catch (error) {
        failure ??= error
      }
    },
    error: () => {},
  })

  function see(value: number, better: 'higher' | 'lower'): void {
    if (isBetter(better, value, best, minDelta)) {
      best = value
      worse = 0
    } else if (++worse === patience) {
      reductions++
      worse = 0
    }
  }

  return {
    reductions: () => {
      if (failure) throw failure
      return reductions
    },
    state: () => Float64Array.of(reductions, worse, ...(best === undefined ? [] : [best])),
    end: () => subscription?.unsubscribe(),
  }
}

function tooLate(step: number, last: number): PipelineError {
  return new PipelineError(
    'STAGE',
    `the evaluation of step ${step} came after step ${last} was made, too late for a learning rate that watches it; ` +
      'the stage that evaluates must hold its input (context.flow.concatMap)',
  )
}
