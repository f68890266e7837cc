import type { Published } from '../pipeline/definition/published.js'
import { type ColumnInfos, columnInfosOf } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { readRunText, type StageUse } from './definition.js'
import { metricsIn } from './evaluations.js'
import { readRecord, type StoredRecord } from './record.js'
import { firstRemarks } from './remarks.js'
import { type RunNotes, readNotes } from './run-notes.js'
import { readSheet, type Sheet } from './sheets.js'
import { type Figure, figuresIn, MAX_PART } from './stored-figures.js'

/** The content of a run directory. What is missing is empty. */
export interface RunFiles {
  /** The run directory. */
  readonly directory: string
  /** The content of `run.json`. */
  readonly record: StoredRecord
  /** The text of `pipeline.yaml`. */
  readonly text: string
  /** The stages of the pipeline. */
  readonly stages: readonly StageUse[]
  /** The block `published` of the pipeline. */
  readonly published: Published | undefined
  /** The evaluations; of very many, some and the last. */
  readonly metrics: readonly MetricsRow[]
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
  /** The figures, by name. */
  readonly figures: readonly Figure[]
  /** The confusion matrix. */
  readonly confusion: Sheet | undefined
  /** The gradient check. */
  readonly gradientCheck: Sheet | undefined
  /** Tags and note of people. */
  readonly notes: RunNotes
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/** Reads a run directory. Throws a PipelineError: `ARGUMENTS` if it is none, `DATA` if its `run.json` is damaged. */
export function readRun(directory: string): RunFiles {
  const remarks: string[] = []
  const record = readRecord(directory)
  const { text, stages, published } = readRunText(directory, record.changes, remarks)
  const sheet = (name: string): Sheet | undefined => readSheet(directory, name, remarks, MAX_PART)
  const metrics = metricsIn(directory, remarks)
  const columns = new Set(metrics.flatMap((row) => Object.keys(row)))
  return {
    directory,
    record,
    text,
    stages,
    published,
    metrics,
    metricInfos: columnInfosOf(columns, record.metrics),
    figures: figuresIn(directory, remarks),
    confusion: sheet('figures/confusion.csv'),
    gradientCheck: sheet('gradient-check.csv'),
    notes: readNotes(directory, remarks),
    remarks: firstRemarks(remarks),
  }
}
