import { basename, join } from 'node:path'
import { fileReason, PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { hasInside, namesInside } from '../pipeline/files/inside.js'
import { type ColumnInfos, columnInfosOf } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { readSettings } from './definition.js'
import { lastMetricsIn, metricsIn } from './evaluations.js'
import { bestOf } from './metric-differences.js'
import { readRecord, type StoredRecord } from './record.js'
import { firstRemarks } from './remarks.js'
import { type RunNotes, readNotes } from './run-notes.js'

/** A run in a list of runs. */
export interface ListedRun extends RunNotes {
  /** The run directory. */
  readonly directory: string
  /** The content of `run.json`. */
  readonly record: StoredRecord
  /** The values of its vars and options, as `RunText` has them, and its seed. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The last evaluation, or the best value of each metric; undefined before the first evaluation. */
  readonly metrics: MetricsRow | undefined
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
}

/** Runs that were found, and what could not be read. */
export interface RunList {
  /** The runs, in the order of the names of their directories. */
  readonly runs: readonly ListedRun[]
  /** What could not be read, in words. */
  readonly remarks: readonly string[]
}

/**
 * Finds the runs in directories: of runs, of sweeps, or folders that have such directories. Reads the record, the
 * definition and the end of the metrics of each. Throws a PipelineError `ARGUMENTS` if a directory cannot be read.
 *
 * @param isBest whether to read all evaluations, and give the best value of each metric in place of the last
 */
export function listRuns(directories: readonly string[], isBest = false): RunList {
  const remarks: string[] = []
  const found = new Set(directories.flatMap(runDirectories))
  const runs = [...found].flatMap((directory): ListedRun[] => {
    try {
      return [listedRun(directory, isBest, remarks)]
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      remarks.push(error.message)
      return []
    }
  })
  return { runs, remarks: firstRemarks(remarks) }
}

/** The folders of a sweep that hold its points: those that have ended, or run here; and those that workers of a queue run. */
const POINTS = ['points', 'working']

/**
 * The directories of runs at and below a directory: its own, those of its entries, and those of points of sweeps. Throws a
 * PipelineError `ARGUMENTS` if it cannot be read.
 */
export function runDirectories(directory: string): string[] {
  if (hasInside(directory, 'run.json')) return [directory]
  try {
    return namesInside(directory).flatMap((name) => {
      const folder = join(directory, name)
      if (hasInside(directory, `${name}/run.json`)) return [folder]
      const places = POINTS.includes(name) ? [folder] : POINTS.map((each) => join(folder, each))
      return places.flatMap((points) =>
        entriesOf(points).flatMap((key) => (hasInside(points, `${key}/run.json`) ? [join(points, key)] : [])),
      )
    })
  } catch (error) {
    const hint = basename(directory) === 'runs' ? '; millrace run makes it in the current folder' : ''
    throw new PipelineError(
      'ARGUMENTS',
      `cannot list the runs in ${shortPath(directory)}: ${fileReason(error)}${hint}`,
      { cause: error },
    )
  }
}

/** The names in a folder; none if it cannot be read. */
function entriesOf(folder: string): string[] {
  try {
    return namesInside(folder)
  } catch {
    return []
  }
}

function listedRun(directory: string, isBest: boolean, remarks: string[]): ListedRun {
  const own: string[] = []
  const record = readRecord(directory)
  const settings = readSettings(directory, record, own)
  const rows = isBest ? metricsIn(directory, own) : []
  const last = isBest ? rows.at(-1) : lastMetricsIn(directory, own)
  const metricInfos = columnInfosOf(Object.keys(last ?? {}), record.metrics)
  const notes = readNotes(directory, own)
  remarks.push(...own.map((remark) => `${directory}: ${remark}`))
  return {
    ...notes,
    directory,
    record,
    settings: { ...settings, seed: record.seed },
    metrics: last && isBest ? bestRow(rows, last, metricInfos) : last,
    metricInfos,
  }
}

/** The last row, with the best value of each metric that has a direction. */
function bestRow(rows: readonly MetricsRow[], last: MetricsRow, infos: ColumnInfos): MetricsRow {
  const best = [...infos].map(([column, { better }]) => [column, bestOf(rows, column, better).best ?? last[column]!])
  return { ...last, ...Object.fromEntries(best) }
}
