/**
 * The stage kit: everything of the engine that a stage or a learner uses, whether it comes with Millrace or stands in a
 * file beside a pipeline. Programs import it as `millrace/stage`.
 */
export { z } from 'zod'
export type { Affine, Kernels, Rows } from '../kernels/contract.js'
export { type ErrorCode, fileProblem, messageOf, PipelineError, type Problem } from './base/errors.js'
export { nonFiniteAsText } from './base/json.js'
export { packagePath } from './base/package.js'
export type { Random } from './base/random.js'
export { listed } from './base/words.js'
export { anyNumber } from './directory/state.js'
export { attempt, replaceFile, syncedPath } from './files/files.js'
export { outputPath } from './files/output-path.js'
export { openRegularFile } from './files/regular-file.js'
export { checkSplit } from './stage/facts.js'
export type { Flow } from './stage/flow-contract.js'
export type { Parallel, Vector } from './stage/parallel-contract.js'
export {
  type AnyStage,
  type Checking,
  type DataSource,
  defineStage,
  type Facts,
  type Port,
  type Ports,
  type Runner,
  type Stage,
  type StageContext,
  type StateHooks,
  type Terminal,
  type WireType,
  wire,
} from './stage/stage.js'
export {
  type ExamplesLayout,
  exampleFields,
  examplesTable,
  fieldsOf,
  layoutOf,
  partsOf,
  rowsOf,
  splitOf,
  widthOf,
} from './wires/examples.js'
export { keptRows, rowsFrom, rowsState } from './wires/kept-rows.js'
export { isBetter, type MetricsRow, metricsRows, metricsTable } from './wires/metrics.js'
export { checkMetric, metricName, metricOf } from './wires/monitor.js'
export { copyParameters, type Model, modelOf, parametersTables, softmaxParameters } from './wires/parameters.js'
export { endsEpoch, type Position, positionOf, reposition, writePosition } from './wires/position.js'
export type { Share } from './wires/share.js'
export {
  dividedBatch,
  extentOf,
  rowsBefore,
  rowsByShard,
  ShardBuffer,
  shareOf,
  sharesOf,
} from './wires/shares.js'
