/**
 * Millrace for programs: pipelines, runs, and what comes of them. Stages and learners of your own are made with
 * `millrace/stage`.
 */
import { useBuiltInStages } from './pipeline/graph/registry.js'

export type { KernelName } from './kernels/index.js'
export {
  type GivenRow,
  type GivenRows,
  type LoadModelOptions,
  loadModel,
  type ModelPredictions,
  type RowPrediction,
  type TrainedModel,
  type TypedNumbers,
} from './model.js'
export { type ErrorCode, errorCodes, PipelineError, type Problem } from './pipeline/base/errors.js'
export type { ParallelOptions } from './pipeline/definition/parallel.js'
export type { DefinitionSource, ReadOptions } from './pipeline/definition/read.js'
export type { Trust } from './pipeline/definition/trust.js'
export { type ExportFormat, exportParameters, readParameters } from './pipeline/formats/export.js'
export { decodeTensors, encodeTensors, type Tensor } from './pipeline/formats/safetensors.js'
export type { DocumentOptions } from './pipeline/graph/document.js'
export { checkInputFiles } from './pipeline/graph/missing-files.js'
export { Pipeline } from './pipeline/graph/pipeline.js'
export type {
  Inferred,
  OptionsArgument,
  OptionsOf,
  PipelineSpec,
  RowOf,
  RowOfOptions,
  RowOfRun,
  StageSpec,
} from './pipeline/graph/spec.js'
export type { LiveMetrics, LiveStage, LiveState, LiveWire } from './pipeline/live/contract.js'
export type { PassedTable, RunWires } from './pipeline/live/wire-taps.js'
export type { Result, Run, RunEvent, RunOptions, RunSettings } from './pipeline/run/contract.js'
export type { DataSummary, SplitSummary } from './pipeline/run/data-summary.js'
export type { RunRecord, RunStatus } from './pipeline/run/record.js'
export { type ResumeOptions, resume } from './pipeline/run/resume.js'
export { run, start } from './pipeline/run/run.js'
export type { MetricsRow } from './pipeline/wires/metrics.js'

useBuiltInStages(() => import('./stages/index.js'))
