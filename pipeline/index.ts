/** The public API of Millrace: pipelines, runs, and what stages are made of. */
export { z } from 'zod'
export type { Affine, KernelName, Kernels, Rows, Softmax } from '../kernels/index.js'
export type { ReadOptions } from './definition/read.js'
export { listed } from './definition/wording.js'
export { type ErrorCode, fileProblem, messageOf, PipelineError, type Problem } from './errors.js'
export type { Flow } from './flow.js'
export { Pipeline, type PipelineSpec, type StageSpec } from './pipeline.js'
export type { Random } from './random.js'
export { type Result, type Run, type RunEvent, type RunOptions, type RunRecord, type RunStatus, run, start } from './run.js'
export { attempt, outputPath, replaceFile } from './run-directory.js'
export {
  type AnyStage,
  type Checking,
  type DataSource,
  defineStage,
  type Facts,
  type Port,
  type Ports,
  type Stage,
  type StageContext,
  type Terminal,
  wire,
} from './stage.js'
export {
  copyParameters,
  endsEpoch,
  type ExamplesLayout,
  exampleFields,
  examplesTable,
  featuresView,
  fieldsOf,
  layoutOf,
  type MetricsRow,
  type Model,
  metricsRows,
  metricsTable,
  modelOf,
  type Position,
  parametersTables,
  positionOf,
  reposition,
  rowsOf,
  softmaxParameters,
  splitOf,
  type WireType,
} from './wires.js'
