import { dirname, join, resolve } from 'node:path'
import { PipelineError, type Problem } from '../pipeline/base/errors.js'
import { attempt, makeFolder, replaceFile } from '../pipeline/files/files.js'
import { isSweepDirectory } from '../sweep/index.js'
import { readAttempts } from './attempts.js'
import { formats } from './formats.js'
import { reportOf } from './model.js'
import { pageOf } from './page.js'
import { type RunFiles, readRun } from './read.js'
import { sweepReport } from './sweep-page.js'
import { type DataTable, tablesOf } from './tables.js'
import { type Comparison, overall, type Verdict } from './verdict.js'

export interface ReportPlace {
  /** The HTML file. */
  readonly out: string
  /** The folder for tables as Markdown, CSV and LaTeX. */
  readonly tables?: string | undefined
}

export interface ReportFiles {
  /** The HTML file first. */
  readonly files: readonly string[]
  /** Size of the HTML file. */
  readonly bytes: number
  /** Null where nothing was published. */
  readonly verdicts: readonly {
    readonly experiment: string
    readonly verdict: Verdict | null
    readonly metrics: readonly Comparison[]
  }[]
}

/** Writes the report on the runs in these directories, or on one sweep. Throws a PipelineError with all that are no run directories. */
export async function writeReport(directories: readonly string[], { out, tables }: ReportPlace): Promise<ReportFiles> {
  const [first] = directories
  if (directories.length === 1 && isSweepDirectory(first!)) return writeSweepReport(first!, { out, tables })
  const report = reportOf(allRuns(directories))
  const page = await pageOf(report)
  const files = [write(out, page), ...writeTables(tablesOf(report), tables)]
  const verdicts = report.experiments.map(({ label: experiment, comparisons: metrics }) => ({
    experiment,
    verdict: overall(metrics) ?? null,
    metrics,
  }))
  return { files, bytes: Buffer.byteLength(page), verdicts }
}

async function writeSweepReport(directory: string, { out, tables }: ReportPlace): Promise<ReportFiles> {
  const report = await sweepReport(directory, readAttempts([directory]))
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

/** Reads every directory before complaining, so that all that is wrong is said at once. */
function allRuns(directories: readonly string[]): RunFiles[] {
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
