import { dirname, join, resolve } from 'node:path'
import { PipelineError, type Problem } from '../pipeline/base/errors.js'
import { attempt, makeFolder, replaceFile } from '../pipeline/files/files.js'
import { isSweepDirectory } from '../sweep/directory.js'
import { readAttempts } from './attempts.js'
import { formats } from './formats.js'
import { reportOf } from './model.js'
import { pageOf } from './page.js'
import { checkReportPlace } from './place.js'
import { type RunFiles, readRun } from './read.js'
import { sweepReport } from './sweep-page.js'
import { type DataTable, tablesOf } from './tables.js'
import { type Comparison, overall, type Verdict } from './verdict.js'

/** Where to write a report. */
export interface ReportPlace {
  /** The HTML file. */
  readonly out: string
  /** The folder for the tables as Markdown, CSV and LaTeX. Default: they are not written. */
  readonly tables?: string | undefined
  /** Whether to write over files that are not those of an earlier report. Default: no. */
  readonly force?: boolean | undefined
}

/** A report that was written. */
export interface ReportFiles {
  /** The files, the HTML file first. */
  readonly files: readonly string[]
  /** The size of the HTML file. */
  readonly bytes: number
  /** The verdict on each experiment; empty for a sweep. */
  readonly verdicts: readonly {
    /** The label of the experiment. */
    readonly experiment: string
    /** The verdict on all its numbers; null if nothing was published. */
    readonly verdict: Verdict | null
    /** Each published number. */
    readonly metrics: readonly Comparison[]
  }[]
}

/**
 * Writes the report on the runs in these directories, or on one sweep. Throws a PipelineError that names every
 * directory that is not of a run, or every file that lies where the report would be written and is not of a report.
 */
export async function writeReport(directories: readonly string[], place: ReportPlace): Promise<ReportFiles> {
  const { out, tables } = place
  const [first] = directories
  if (directories.length === 1 && isSweepDirectory(first!)) return writeSweepReport(first!, place)
  const report = reportOf(readRuns(directories))
  const page = await pageOf(report)
  const contents = tablesOf(report)
  checkReportPlace(place, contents)
  const files = [write(out, page), ...writeTables(contents, tables)]
  const verdicts = report.experiments.map(({ label: experiment, comparisons: metrics }) => ({
    experiment,
    verdict: overall(metrics) ?? null,
    metrics,
  }))
  return { files, bytes: Buffer.byteLength(page), verdicts }
}

async function writeSweepReport(directory: string, place: ReportPlace): Promise<ReportFiles> {
  const { out, tables } = place
  const report = await sweepReport(directory, readAttempts([directory]))
  checkReportPlace(place, report.tables, [...report.figures.keys()])
  const files = [write(out, report.page), ...writeTables(report.tables, tables)]
  if (tables !== undefined) for (const [name, content] of report.figures) files.push(write(join(tables, name), content))
  return { files, bytes: Buffer.byteLength(report.page), verdicts: [] }
}

function writeTables(tables: readonly DataTable[], folder: string | undefined): string[] {
  if (folder === undefined) return []
  return tables.flatMap((table) =>
    Object.entries(formats).map(([ending, format]) => write(join(folder, `${table.id}.${ending}`), format(table))),
  )
}

/** Reads every directory before it throws, so that one error names all problems. */
function readRuns(directories: readonly string[]): RunFiles[] {
  const problems: Problem[] = []
  let isDamaged = false
  const runs = directories.flatMap((directory) => {
    try {
      return readRun(directory)
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      problems.push(...error.problems)
      isDamaged ||= error.code !== 'ARGUMENTS'
      return []
    }
  })
  if (problems.length > 0) throw new PipelineError(isDamaged ? 'DATA' : 'ARGUMENTS', problems)
  return runs
}

function write(path: string, content: string | Uint8Array): string {
  const target = resolve(path)
  attempt('make the folder of', target, () => makeFolder(dirname(target)))
  replaceFile(target, content)
  return path
}
