import { PipelineError } from '../pipeline/base/errors.js'
import { suggestion } from '../pipeline/base/nearest.js'
import {
  formats,
  plainText,
  readAttempts,
  type SettingRow,
  type Settings,
  settingsFrom,
  settingsTable,
} from '../report/index.js'
import type { Output } from './output.js'

export interface TableFlags {
  readonly cols?: string
  readonly sort?: string
  readonly monitor?: string
  readonly format: 'text' | 'md' | 'csv' | 'tex' | 'json'
}

/** `millrace table`: a row for each setting of sweeps and runs. */
export function tableCommand(directories: readonly string[], flags: TableFlags, output: Output): void {
  const { monitor, sort, format } = flags
  const settings = settingsFrom(readAttempts(directories), { monitor, sort })
  const columns = flags.cols?.split(',').map((name) => name.trim())
  checkNames(settings, {
    '--cols': columns,
    '--sort': sort && [sort.replace(/^-/, '')],
    '--monitor': monitor && [monitor],
  })
  if (format === 'json') output.write(`${JSON.stringify(settings.rows.map((row) => jsonOf(row, settings)))}\n`)
  else output.write((format === 'text' ? plainText : formats[format])(settingsTable(settings, columns)))
}

function checkNames(
  { rows, metrics }: Settings,
  given: Readonly<Record<string, readonly string[] | '' | undefined>>,
): void {
  // Nothing can be said about metrics before there is one.
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
    runs: attempts.map(({ seed, status, error, directory }) => ({ seed, status, error, directory })),
  }
}
