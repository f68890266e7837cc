/** Reports on runs: reads run directories into a model, and writes it as tables and as one HTML page. */
export type { Published, PublishedMetric } from '../pipeline/definition/published.js'
export type { SettingValues } from '../pipeline/definition/settings.js'
export { type Attempt, type Attempts, readAttempts } from './attempts.js'
export type { DefinedOption } from './defined-options.js'
export { type RunText, readRunText, readSettings, type StageUse } from './definition.js'
export { changesBetween, compareRuns, type Difference, type RunComparison } from './differences.js'
export { type ExamplesLook, type FeatureLook, lookAtExamples, type SplitLook } from './examples.js'
export { formats, plainText } from './formats.js'
export type { MetricDifference, MetricValues } from './metric-differences.js'
export { type Experiment, type Report, reportOf } from './model.js'
export { type ChangeOnTheWay, changesOnTheWay } from './option-changes.js'
export { pageOf } from './page.js'
export { type RunFiles, readRun } from './read.js'
export { readRecord, type StoredRecord } from './record.js'
export {
  type DataDifference,
  differenceOf,
  type OptionDifference,
  type RunDifference,
  type ValueDifference,
} from './run-difference.js'
export { type ListedRun, listRuns, type RunList, runDirectories } from './run-list.js'
export { changeNotes, checkNotes, type NotesChange, type RunNotes, readNotes } from './run-notes.js'
export { type SettingRow, type Settings, type SettingsOptions, settingsFrom, settingsTable } from './settings-table.js'
export type { Sheet } from './sheets.js'
export type { Figure } from './stored-figures.js'
export type { Parameters, Summary } from './summary.js'
export { type Cell, type Column, type DataTable, tablesOf } from './tables.js'
export { type Comparison, overall, type Verdict } from './verdict.js'
export { type ReportFiles, type ReportPlace, writeReport } from './write.js'
