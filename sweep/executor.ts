import type { ErrorCode } from '../pipeline/base/errors.js'
import type { Trust } from '../pipeline/definition/trust.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import type { Point } from './point.js'

/** How a point ended. It is plain data, so that it can be sent to another thread or machine. */
export interface Outcome {
  /** The key of the point. */
  readonly key: string
  /** `interrupted` if the signal aborted the run: such a point is run again. */
  readonly status: 'done' | 'failed' | 'interrupted'
  /** Why the point is not done. */
  readonly error?: string | undefined
  /** The kind of the error. Undefined if it is not known. */
  readonly code?: ErrorCode | undefined
  /** The last evaluation of the first stage that makes metrics. */
  readonly final?: MetricsRow | undefined
  /** How long the point took. */
  readonly seconds: number
  /** The number of epochs, for a point that was not run to its end. */
  readonly epochs?: number | undefined
}

/** Executes points, for example in threads of this process. */
export interface Executor {
  /**
   * Executes the points, each into the directory `points/KEY`, and yields each outcome as soon as it is known, in any
   * order. After `signal` aborts, no further point starts, and points that are running end as `interrupted`.
   */
  run(points: readonly Point[], signal: AbortSignal): AsyncIterable<Outcome>
  /** Frees threads and memory. */
  close(): Promise<void>
}

/** How to execute one point: everything that is not part of the point. */
export interface PointSettings {
  /** The directory of the run. An unfinished run there is resumed or replaced. */
  readonly directory: string
  /** Threads of the kernel. Default: one per core. */
  readonly threads: number | undefined
  /** How often to write checkpoints. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
  /** What the definition is allowed to do. */
  readonly trust: Trust
}
