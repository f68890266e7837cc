/** Reports on runs: directories in, a model of what they found, one HTML page and tables out. */
export { csv, formats, latex, markdown } from './formats.js'
export { type Experiment, type Report, reportOf } from './model.js'
export { pageOf } from './page.js'
export { type RunFiles, readRecord, readRun } from './read.js'
export { type DataTable, tablesOf } from './tables.js'
export { type Comparison, overall, type Verdict } from './verdict.js'
export { type ReportPlace, type Written, writeReport } from './write.js'
