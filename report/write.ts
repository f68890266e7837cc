import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { attempt, PipelineError, type Problem, replaceFile } from '../pipeline/index.js'
import { formats } from './formats.js'
import { reportOf } from './model.js'
import { pageOf } from './page.js'
import { type RunFiles, readRun } from './read.js'
import { tablesOf } from './tables.js'
import { type Comparison, overall, type Verdict } from './verdict.js'

export interface ReportPlace {
  /** The HTML file. */
  readonly out: string
  /** The folder for tables as Markdown, CSV and LaTeX. */
  readonly tables?: string | undefined
}

export interface Written {
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

/** Writes the report on the runs in these directories. Throws a PipelineError with all that are no run directories. */
export async function writeReport(directories: readonly string[], { out, tables }: ReportPlace): Promise<Written> {
  const report = reportOf(allRuns(directories))
  const page = await pageOf(report)
  const files = [write(out, page)]
  if (tables !== undefined)
    for (const table of tablesOf(report))
      for (const [ending, format] of Object.entries(formats))
        files.push(write(join(tables, `${table.id}.${ending}`), format(table)))
  const verdicts = report.experiments.map(({ label: experiment, comparisons: metrics }) => ({
    experiment,
    verdict: overall(metrics) ?? null,
    metrics,
  }))
  return { files, bytes: Buffer.byteLength(page), verdicts }
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

function write(path: string, text: string): string {
  const target = resolve(path)
  attempt('make the folder of', target, () => mkdirSync(dirname(target), { recursive: true }))
  replaceFile(target, text)
  return path
}
