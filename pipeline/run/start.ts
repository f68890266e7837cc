import type { Subject } from 'rxjs'
import type { Kernels } from '../../kernels/contract.js'
import type { DataSource } from '../base/data-source.js'
import type { Checkpoint } from '../directory/checkpoint.js'
import type { OptionChange } from '../directory/configuration.js'
import type { RunDirectory } from '../directory/run-directory.js'
import type { Pipeline } from '../graph/pipeline.js'
import type { WireTaps } from '../live/wire-taps.js'
import type { MetricInfos } from '../wires/metrics.js'
import type { RunEvent, RunSettings } from './contract.js'
import type { Division } from './division.js'
import type { GitState } from './git-state.js'

/** A run that is about to start: its pipeline, the directory it has claimed, and its past if it is resumed. */
export interface RunStart {
  /** The pipeline that runs. */
  readonly pipeline: Pipeline
  /** The directory of the run. The caller of `runInProcess` releases it. */
  readonly directory: RunDirectory
  /** The past of a resumed run; undefined for a new one. */
  readonly resumed?: ResumeState
}

/** What a resumed run knows of its past. */
export interface ResumeState {
  /** The checkpoint to go on from; undefined: the run begins anew. */
  readonly checkpoint: Checkpoint | undefined
  /** The notes of the earlier process, and those made while the directory was opened again. */
  readonly notes: readonly string[]
  /** Kernel and version of the earlier process, as `formatMaker` writes them; undefined if they are not known. */
  readonly maker: string | undefined
  /** What the metrics of the earlier process said about themselves. */
  readonly metrics?: MetricInfos
  /** Throws a PipelineError `DATA` if a file is not the one that was read before. */
  readonly checkSource: (source: DataSource) => void
  /** The commit that the run was begun with. */
  readonly git?: GitState | undefined
  /** The options that were changed on the way, and those that are changed now. */
  readonly changes?: readonly OptionChange[]
  /** The last step that the run has made, if it is done. */
  readonly lastStep?: number | undefined
  /** The output files that the run wrote after the checkpoint, relative to its directory. */
  readonly abandoned?: readonly string[]
}

/** What a run uses in this process. */
export interface RunTools {
  /** The opened kernels. The caller closes them. */
  readonly kernels: Kernels
  /** Why they were chosen, if the run was told `auto`. */
  readonly choice?: string | undefined
  /** The settings that the caller of the run gave. */
  readonly settings: RunSettings
  /** Where the events of the run go. */
  readonly events: Subject<RunEvent>
  /** Where others see the wires. */
  readonly taps: WireTaps
  /** The part of this process in a divided run; undefined if the run is not divided. */
  readonly division: Division | undefined
}
