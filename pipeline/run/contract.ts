import type ndarray from 'ndarray'
import type { Observable } from 'rxjs'
import type { KernelOptions } from '../../kernels/contract.js'
import type { PipelineError } from '../base/errors.js'
import type { RunPlace } from '../directory/run-directory.js'
import type { Terminal } from '../stage/stage.js'
import type { MetricsRow } from '../wires/metrics.js'
import type { Prepared } from './prepared.js'
import type { RunRecord, RunStatus } from './record.js'

/** How a run is made: the default kernel is the fastest this machine has; threads do not change results. */
export interface RunSettings extends KernelOptions {
  /** Stops the run at the next step: a checkpoint is made, files are closed, the result rejects with code `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Where `sink/terminal` writes. Default: nowhere. */
  readonly terminal?: Terminal | undefined
  /** The data of this very pipeline, as `prepare` left it: its first stages are not run again. */
  readonly prepared?: Prepared | undefined
  /** How often to make checkpoints: `epoch`, `500 steps`, `30s` …, or `none`. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
}

export interface RunOptions extends RunSettings, RunPlace {}

/** What happens during a run, in order. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export type RunEvent<Row extends MetricsRow = MetricsRow> =
  | {
      readonly type: 'start'
      readonly directory: string
      readonly kernel: string
      readonly detail: string
      readonly threads: number
      /** Which of the processes of a divided run this is. */
      readonly rank: number
    }
  | { readonly type: 'metrics'; readonly stage: string; readonly row: Row }
  | { readonly type: 'note'; readonly stage: string; readonly message: string }
  | { readonly type: 'stage-end'; readonly stage: string }
  | { readonly type: 'end'; readonly status: RunStatus; readonly error?: PipelineError }

/** What a run leaves. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export interface Result<Row extends MetricsRow = MetricsRow> {
  /** Empty on all ranks of a divided run but the first. */
  readonly directory: string
  /** The evaluations, in order: of the first stage that makes metrics. */
  readonly history: readonly Row[]
  /** The evaluations of each stage that makes metrics, by id. */
  readonly metrics: Readonly<Record<string, readonly Row[]>>
  /** The final parameters by name, as ndarrays with memory of their own; empty where nothing was trained. */
  readonly parameters: Readonly<Record<string, ndarray.NdArray<Float32Array | Float64Array>>>
  readonly record: RunRecord
}

/** A run under way. `Row` is the type of the rows of metrics, as in `Pipeline`. */
export interface Run<Row extends MetricsRow = MetricsRow> {
  readonly events: Observable<RunEvent<Row>>
  /** The evaluations as they happen. */
  readonly metrics: Observable<Row>
  readonly result: Promise<Result<Row>>
}
