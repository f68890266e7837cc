/** The public API of Millrace: pipelines, runs, and what stages are made of. */
export { z } from 'zod'
export type { Affine, KernelName, Kernels, Rows, Softmax } from '../kernels/index.js'
export type { Parallel } from '../parallel/ranks.js'
export { comparedFiles, differingFiles } from './compare.js'
export { defaultId } from './definition/entries.js'
export { withVars } from './definition/interpolate.js'
export type { ParallelOptions } from './definition/parallel.js'
export { type Published, type PublishedMetric, publishedOf } from './definition/published.js'
export type { ReadOptions } from './definition/read.js'
export { listed } from './definition/wording.js'
export { type ErrorCode, fileProblem, messageOf, PipelineError, type Problem } from './errors.js'
export { type ExportFormat, exportParameters, readParameters } from './export.js'
export { checkSplit, widthOf } from './facts.js'
export { attempt, makeFolder, replaceFile, syncedPath } from './files.js'
export type { Flow } from './flow.js'
export { outputPath } from './output-path.js'
export { Pipeline, type PipelineSpec, type StageSpec } from './pipeline.js'
export type { Random } from './random.js'
export type { RunRecord, RunStatus } from './record.js'
export { openRegularFile, readRegularFile } from './regular-file.js'
export { type ResumeOptions, resume } from './resume.js'
export { type Conditions, type Result, type Run, type RunEvent, type RunOptions, run, start } from './run.js'
export { decodeTensors, encodeTensors, type Tensor } from './safetensors.js'
export {
  type AnyStage,
  type Checking,
  type DataSource,
  defineStage,
  type Facts,
  type Keeper,
  type Port,
  type Ports,
  type Stage,
  type StageContext,
  type Terminal,
  type WireType,
  wire,
} from './stage.js'
export { anyNumber } from './state.js'
export type { Trust } from './trust.js'
export {
  type ExamplesLayout,
  exampleFields,
  examplesTable,
  featuresView,
  fieldsOf,
  layoutOf,
  partsOf,
  rowsOf,
  splitOf,
} from './wires/examples.js'
export { type GradientCheck, gradientChecks, gradientCheckTable, wordFailure } from './wires/gradient-check.js'
export { tableFromFile } from './wires/ipc.js'
export { keptRows, rowsFrom, rowsState } from './wires/kept-rows.js'
export { isBetter, type MetricsRow, metricsRows, metricsTable } from './wires/metrics.js'
export { copyParameters, type Model, modelOf, parametersTables, softmaxParameters } from './wires/parameters.js'
export { endsEpoch, type Position, positionOf, reposition } from './wires/position.js'
export {
  Dealt,
  dividedBatch,
  extentOf,
  rowsBefore,
  rowsByShard,
  type Share,
  shareOf,
  sharesOf,
} from './wires/shares.js'
