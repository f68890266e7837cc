// Gives the built-in stages to the registry.
import '../index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { suggestion } from '../pipeline/base/nearest.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import {
  formats,
  plainText,
  readAttempts,
  type SettingRow,
  type Settings,
  settingsFrom,
  settingsTable,
} from '../report/index.js'
import type { Output } from './terminal.js'

/** The flags of `millrace table`. */
export interface TableFlags {
  /** Names of columns, with commas between them. */
  readonly cols?: string
  /** The column to sort by, with `-` in front for the reverse order. */
  readonly sort?: string
  /** The metric that says which setting is best. */
  readonly monitor?: string
  /** The format of the table. */
  readonly format: 'text' | 'md' | 'csv' | 'tex' | 'json'
}

/** `millrace table`: prints a row for each setting of sweeps and runs. */
export async function tableCommand(directories: readonly string[], flags: TableFlags, output: Output): Promise<void> {
  const { monitor, sort, format } = flags
  const attempts = readAttempts(directories, await builtInStages())
  const settings = settingsFrom(attempts, { monitor, sort })
  const columns = flags.cols?.split(',').map((name) => name.trim())
  checkNames(settings, {
    '--cols': columns,
    '--sort': sort && [sort.replace(/^-/, '')],
    '--monitor': monitor && [monitor],
  })
  for (const remark of attempts.remarks) output.warn(`note: ${oneLine(remark)}\n`)
  if (format === 'json') output.write(`${JSON.stringify(settings.rows.map((row) => jsonOf(row, settings)))}\n`)
  else output.write((format === 'text' ? plainText : formats[format])(settingsTable(settings, columns)))
}

/** Throws a PipelineError `ARGUMENTS` that names every unknown column. */
function checkNames(
  { rows, metrics }: Settings,
  given: Readonly<Record<string, readonly string[] | '' | undefined>>,
): void {
  // Before the first evaluation, the names of the metrics are not known.
  if (metrics.length === 0) return
  const known = new Set([...rows.flatMap(({ settings }) => Object.keys(settings)), ...metrics, 'epoch', 'step', 'seed'])
  const problems = Object.entries(given).flatMap(([flag, names]) =>
    (names || [])
      .filter((name) => !known.has(name))
      .map((name) => ({ where: flag, message: `no column named "${name}"${suggestion(name, known, 'columns')}` })),
  )
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
}

function jsonOf({ settings, attempts, final, isBest }: SettingRow, { monitor }: Settings): unknown {
  return {
    settings,
    best: isBest,
    monitor,
    metrics: Object.fromEntries(final),
    runs: attempts.map(({ seed, status, error, directory, tags }) => ({ seed, status, error, directory, tags })),
  }
}
