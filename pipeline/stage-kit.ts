/**
 * The stage kit: everything of the engine that a stage or a learner uses, whether it comes with Millrace or stands in a
 * file beside a pipeline. Programs import it as `millrace/stage`.
 */
export { z } from 'zod'
export type {
  Affine,
  Arrays,
  Gradient,
  Kernels,
  Later,
  NetworkShape,
  NetworkStep,
  Numbers,
  Rows,
} from '../kernels/contract.js'
export { argMax, type Loss, lossOf, writeSoftmax } from '../kernels/loss.js'
export { arraysOfNetwork, EPSILON, suffixOf, trainedOf, widthOf } from '../kernels/network-shape.js'
export { countRows, readRow, rowsPerCall, slices } from '../kernels/rows.js'
export { formatBytes } from './base/byte-size.js'
export { cutToCells, padToCells } from './base/cells.js'
export type { DataSource } from './base/data-source.js'
export { type ErrorCode, fileProblem, messageOf, PipelineError, type Problem } from './base/errors.js'
export {
  type Every,
  endsEpoch,
  isDueAt,
  type StepPosition,
  type TrainingInterval,
  toInterval,
  trainingInterval,
} from './base/every.js'
export { hashOfNumbers, hashOfText } from './base/hash.js'
export { filled } from './base/joined.js'
export { nonFiniteAsText } from './base/json.js'
export { didYouMean } from './base/nearest.js'
export { entryPoint, packagePath } from './base/package.js'
export { oneLine } from './base/plain-text.js'
export { type Random, streamFrom } from './base/random.js'
export { slugOf } from './base/slug.js'
export { counted, listed, someOf } from './base/words.js'
export { anyNumber } from './directory/state.js'
export { attempt, removeFile, replaceFile, syncPath } from './files/files.js'
export { hasGrown } from './files/growing-file.js'
export { inputPath } from './files/input-path.js'
export { isDirectory } from './files/is-directory.js'
export { openNameless } from './files/nameless.js'
export { outputPath } from './files/output-path.js'
export { disown, partFolder, removeAbandoned } from './files/part-folder.js'
export { openRegularFile, readRegularFile, withRegularFile } from './files/regular-file.js'
export { csvOf } from './formats/csv-text.js'
export { halfToSingle } from './formats/half.js'
export { foreignTable } from './formats/ipc.js'
export { type BatchRead, batchesOf, countRows as countArrowRows, schemaOf } from './formats/ipc-batches.js'
export {
  MODEL_SPLIT,
  type ModelInputs,
  modelFacts,
  modelInputsOf,
  modelOption,
  readModelInputs,
  readStoredModel,
  type StoredModel,
} from './formats/model-inputs.js'
export {
  isNpy,
  type NpyArray,
  type NpyHeader,
  type NpyKind,
  type NpyNumbers,
  npyBytes,
  npyElements,
  readNpy,
  readNpyHeader,
  rowMajor,
} from './formats/npy-read.js'
export {
  openParquet,
  type ParquetOptions,
  type ParquetProgress,
  type ParquetRows,
} from './formats/parquet.js'
export { type ProtoField, protobuf } from './formats/protobuf.js'
export { isGrowing, openRowFile, type RowFile, type RowFileBlock } from './formats/row-file.js'
export { RowFileWriter } from './formats/row-file-writer.js'
export { type StoredSplit, splitTables } from './formats/split-tables.js'
export { readStoredArrays, type StoredArray, type StoredArrays, storedFile } from './formats/stored-arrays.js'
export type { Asked } from './stage/asked.js'
export type { Above, StageContext, StateHooks, Terminal } from './stage/context.js'
export {
  type Dealing,
  deal,
  dealByClass,
  dealing,
  dealingProblem,
  dealRows,
  fractions,
  type Part,
  partsMeaning,
  splitSizes,
} from './stage/dealing.js'
export type { Checking, Facts, Feed } from './stage/facts.js'
export { checkLearner, checkSplit } from './stage/facts.js'
export type { Flow } from './stage/flow-contract.js'
export { checkFolds, type Folding, folding, holdOut } from './stage/folds.js'
export type { Keys } from './stage/groups.js'
export {
  type AnyLearner,
  type ArraySpec,
  type CostAround,
  defineLearner,
  type Learner,
  type LearnerData,
  type LearnerMetric,
  learnerWith,
  type Masks,
  type OpenModel,
  openModel,
  ownOptionsOf,
} from './stage/learner.js'
export type { Memory } from './stage/memory.js'
export type { Parallel, Vector } from './stage/parallel-contract.js'
export { type Port, type Ports, type WireType, wire } from './stage/port.js'
export { type AnyStage, defineStage, type Runner, type Stage } from './stage/stage.js'
export { turn } from './stage/turn.js'
export { applyAffine, composed, isFoldable } from './wires/affine.js'
export { ArrowFileBytes, ArrowStreamWriter, arrowFile } from './wires/arrow-internals.js'
export {
  type CategoryColumn,
  type Cell,
  type Column,
  encodeCell,
  featureNames,
  featuresOfColumn,
  isMissing,
  type NumberColumn,
} from './wires/columns.js'
export {
  rowsOf,
  type StandardisedRows,
  type StoredRows,
  standardisedRows,
  storedRows,
} from './wires/example-rows.js'
export {
  countsOf,
  type ExamplesLayout,
  exampleFields,
  examplesTable,
  fieldsOf,
  inputMapOf,
  kernelRows,
  layoutOf,
  partsOf,
  splitOf,
  withFixedRows,
  withOrigin,
} from './wires/examples.js'
export { keptRows, rowsFrom, rowsState } from './wires/kept-rows.js'
export { alikeLabels, inClassOrder, type LabelMerge, labelText, mergedLabel } from './wires/labels.js'
export { columnInfosOf, isBetter, metricColumns } from './wires/metric-info.js'
export {
  type MetricInfo,
  type MetricInfos,
  type MetricsRow,
  metricInfosOf,
  metricsRows,
  metricsTable,
} from './wires/metrics.js'
export {
  checkMetric,
  checkMonitor,
  directionOf,
  type Monitored,
  metricName,
  metricOf,
  monitored,
  monitorOption,
} from './wires/monitor.js'
export {
  arraysOf,
  copyFromDevice,
  copyParameters,
  gradientNormOf,
  type Mirror,
  type Model,
  modelOf,
  numbersOfStep,
  parametersTables,
} from './wires/parameters.js'
export {
  copyPerRow,
  type ExampleRows,
  gatherPerRow,
  isWeight,
  newPerRow,
  type PerRow,
  type PerRowName,
  perRowColumns,
  perRowOf,
  slicePerRow,
} from './wires/per-row.js'
export { int32Of, numberOf, type Position, positionOf, reposition, writePosition } from './wires/position.js'
export { positioned } from './wires/positioned.js'
export { type Predictions, predictionsTable } from './wires/predictions.js'
export type { Share } from './wires/share.js'
export { type SharedMemory, sharedMemory } from './wires/shared-memory.js'
export {
  batchOfShards,
  copyNumbers,
  extentOf,
  rowsBefore,
  rowsByShard,
  ShardBuffer,
  shareOf,
} from './wires/shares.js'
export { storedMetricInfos } from './wires/stored-metric-infos.js'
export {
  admitRows,
  batchWith,
  isInFile,
  mappedSource,
  pickedSource,
  type RowSource,
  type RowsOrSource,
  readAhead,
  rowSourceOf,
  rowsOrSourcesByShard,
  type Unread,
  unreadBatch,
  unreadOf,
  unreadTable,
  windowsOf,
  withSource,
} from './wires/unread.js'
