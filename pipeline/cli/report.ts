import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { formats, overall, pageOf, readRun, reportOf, tablesOf } from '../../report/index.js'
import { shortPath } from '../definition/value.js'
import { PipelineError, type Problem } from '../errors.js'
import { attempt, replaceFile } from '../run-directory.js'
import type { Output } from './output.js'

export interface ReportFlags {
  readonly out: string
  readonly tables?: string
  readonly json?: boolean
}

/** `millrace report`: one HTML file about one run or several, and its tables in other formats. */
export async function reportCommand(directories: readonly string[], flags: ReportFlags, output: Output): Promise<void> {
  const report = reportOf(allRuns(directories))
  const page = await pageOf(report)
  const written = [write(flags.out, page)]
  if (flags.tables !== undefined)
    for (const table of tablesOf(report))
      for (const [ending, format] of Object.entries(formats))
        written.push(write(join(flags.tables, `${table.id}.${ending}`), format(table)))
  const verdicts = report.experiments.map(({ label, comparisons }) => ({
    experiment: label,
    verdict: overall(comparisons) ?? null,
    metrics: comparisons,
  }))
  if (flags.json) return output.write(`${JSON.stringify({ files: written, verdicts })}\n`)
  for (const { experiment, verdict } of verdicts) if (verdict) output.write(`${experiment}: ${verdict}\n`)
  output.write(`${Math.ceil(Buffer.byteLength(page) / 1024).toLocaleString('en')} kB in ${written[0]}\n`)
  if (flags.tables !== undefined) output.write(`${written.length - 1} tables in ${shortPath(resolve(flags.tables))}\n`)
}

/** Reads every directory before complaining, so that all that is wrong is said at once. */
function allRuns(directories: readonly string[]): ReturnType<typeof readRun>[] {
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
  return shortPath(target)
}
