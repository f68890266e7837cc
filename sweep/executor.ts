import type { Trust } from '../pipeline/definition/trust.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import type { Point } from './point.js'

/** How a point ended. It is plain data. */
export interface Outcome {
  readonly key: string
  readonly status: 'done' | 'failed' | 'interrupted'
  /** Why it is not done. */
  readonly error?: string | undefined
  /** The last evaluation, of the first stage that makes metrics. */
  readonly final?: MetricsRow | undefined
  readonly seconds: number
  /** Of a point that was not run to its end: for how many epochs. */
  readonly epochs?: number | undefined
}

/** What executes points: threads of this process, workers at a queue, … */
export interface Executor {
  /**
   * Executes the points, each into the directory `points/KEY`, and yields each outcome as soon as it is known, in any
   * order. When `signal` aborts, no point is begun any more and those under way end as `interrupted`.
   */
  run(points: readonly Point[], signal: AbortSignal): AsyncIterable<Outcome>
  /** Gives threads and memory back. */
  close(): Promise<void>
}

/** What it takes to execute one point, beside the point. */
export interface PointSettings {
  /** The directory of the run; an unfinished run there is replaced. */
  readonly directory: string
  readonly threads: number | undefined
  /** How often to make checkpoints. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
  /** What the definition may do. */
  readonly trust: Trust
}
