import type ndarray from 'ndarray'
import type { Observable } from 'rxjs'
import type { KernelOptions } from '../../kernels/contract.js'
import type { PipelineError } from '../base/errors.js'
import type { RunPlace } from '../directory/run-place.js'
import type { LiveState } from '../live/contract.js'
import type { RunWires } from '../live/wire-taps.js'
import type { Terminal } from '../stage/context.js'
import type { MetricsRow } from '../wires/metrics.js'
import type { DataSummary } from './data-summary.js'
import type { Prepared } from './prepared.js'
import type { RunRecord, RunStatus } from './record.js'

/**
 * The settings of a run. The default kernel is the fastest of this machine. The number of threads does not change
 * results.
 */
export interface RunSettings extends KernelOptions {
  /**
   * Stops the run at the next step. The run makes a checkpoint and closes its files; the result rejects with code
   * `ABORTED`.
   */
  readonly signal?: AbortSignal | undefined
  /** Where `sink/terminal` writes. Default: nowhere. */
  readonly terminal?: Terminal | undefined
  /**
   * The data of this very pipeline, as `prepare` returned it. The stages that made it are not run again.
   *
   * @internal
   */
  readonly prepared?: Prepared | undefined
  /** How often checkpoints are made: `epoch`, `500 steps`, `30s` …, or `none`. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
}

/** The settings of a new run, and where it writes. */
export interface RunOptions extends RunSettings, RunPlace {
  /**
   * `false`: the run has no directory and writes nothing to the disk: no record, no checkpoints. The result has all that
   * it found. A stage that writes files is an error that names it.
   */
  readonly directory?: false | undefined
}

/** The events of a run, in order of time. Stages are named by id. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export type RunEvent<Row extends MetricsRow = MetricsRow> =
  | {
      /** The kernels and the directory are open; the stages are made next. */
      readonly type: 'start'
      /** The absolute path of the run directory; empty with `directory: false`, and on ranks that write nothing. */
      readonly directory: string
      /** The name of the kernel. */
      readonly kernel: string
      /** The instructions or the precision that the kernel uses: `avx512`, `float64`. */
      readonly detail: string
      /** The number of threads of the kernel. */
      readonly threads: number
      /** The number of this process in a divided run, from 0; 0 if the run is not divided. */
      readonly rank: number
    }
  /** A load stage has loaded its data, or a stage has divided it into other splits. In a sweep, which prepares data for all points together, there is none. */
  | ({ readonly type: 'data'; readonly stage: string } & DataSummary)
  /** An evaluation. */
  | { readonly type: 'metrics'; readonly stage: string; readonly row: Row }
  /** A note of a stage. */
  | { readonly type: 'note'; readonly stage: string; readonly message: string }
  /** An output of a stage is complete. */
  | { readonly type: 'stage-end'; readonly stage: string }
  /** The run has ended. */
  | { readonly type: 'end'; readonly status: RunStatus; readonly error?: PipelineError }

/** The result of a run that is done. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export interface Result<Row extends MetricsRow = MetricsRow> {
  /** The absolute path of the run directory; empty with `directory: false`, and on ranks that write nothing. */
  readonly directory: string
  /** The evaluations of the first stage that makes metrics, in order. */
  readonly history: readonly Row[]
  /** The evaluations of each stage that makes metrics, by id. */
  readonly metrics: Readonly<Record<string, readonly Row[]>>
  /** The final parameters by name, as ndarrays with memory of their own; empty if nothing was trained. */
  readonly parameters: Readonly<Record<string, ndarray.NdArray<Float32Array | Float64Array>>>
  /** The content of `run.json`. */
  readonly record: RunRecord
}

/** A run under way. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export interface Run<Row extends MetricsRow = MetricsRow> {
  /**
   * The events from here on. Completes when the run has ended, however it ended; it never errors. The last event, `end`,
   * says how: `done`, `interrupted` or `failed`, with the error.
   */
  readonly events: Observable<RunEvent<Row>>
  /**
   * The evaluations as they happen. Completes when the run has ended, however it ended: also after an abort or an error,
   * with the rows until then. It never errors, so that an error is told once, by `result`.
   */
  readonly metrics: Observable<Row>
  /** The tables on the wires, while the run goes on. */
  readonly wires: RunWires
  /** What the run is doing at this moment: counts, rates, progress. Undefined before its stages are made. */
  state(): LiveState | undefined
  /** Resolves when the run is done, or a stage has stopped it. Rejects with a PipelineError; `ABORTED` after an abort. */
  readonly result: Promise<Result<Row>>
}
