import { PipelineError } from '../pipeline/base/errors.js'
import { grouped } from '../pipeline/base/grouped.js'
import { suggestion } from '../pipeline/base/nearest.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { mergeMetricInfos } from '../pipeline/wires/metric-info.js'
import { type ListedRun, listRuns } from '../report/index.js'
import { formatterOf } from '../report/metric-format.js'
import { formatValue } from '../report/settings-table.js'
import { defaultMonitor } from '../sweep/monitor.js'
import { type FittedColumn, fittedColumns } from './fitted-columns.js'
import type { Output } from './terminal.js'

/** The flags of `millrace ls`. */
export interface ListFlags {
  /** The metrics to show, with commas between them. */
  readonly metric?: string
  /** Shows the best value of each metric in place of the last. */
  readonly best?: boolean
  /** Conditions on settings: `eta=0.1`. */
  readonly where: readonly string[]
  /** Tags that a run must have. */
  readonly tag: readonly string[]
  /** The status that a run must have. */
  readonly status?: string
  /** The column to sort by, with `-` in front for falling order. */
  readonly sort?: string
  /** True if the runs are printed as JSON. */
  readonly json?: boolean
}

/** `millrace ls`: lists runs, the newest first. */
export function listCommand(directories: readonly string[], flags: ListFlags, output: Output): void {
  const { runs: all, remarks } = listRuns(directories.length > 0 ? directories : ['runs'], flags.best)
  for (const remark of remarks) output.warn(`note: ${oneLine(remark)}\n`)
  const infos = mergeMetricInfos(all.map(({ metricInfos }) => metricInfos))
  const monitor = defaultMonitor(infos)
  const metrics = flags.metric?.split(',').map((name) => name.trim()) ?? (monitor === undefined ? [] : [monitor])
  checkNames('--metric', flags.metric === undefined ? [] : metrics, new Set(infos.keys()))
  const runs = sorted(filtered(all, flags), flags.sort, infos)
  if (flags.json) output.write(`${JSON.stringify(runs.map(jsonOf))}\n`)
  else if (runs.length === 0) output.write(all.length === 0 ? 'no runs\n' : `none of ${counted(all.length, 'run')}\n`)
  else output.write(`${fittedColumns(columnsOf(runs, metrics, infos), output.width).join('\n')}\n`)
}

/** The value of a metric or setting, whose name may be `constructor`. */
function ownValue<T>(values: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return values && Object.hasOwn(values, name) ? values[name] : undefined
}

function columnsOf(
  runs: readonly ListedRun[],
  metrics: readonly string[],
  infos: ListedRun['metricInfos'],
): FittedColumn[] {
  const column = (title: string, rank: number, cell: (run: ListedRun) => string, isNumeric = false): FittedColumn => ({
    rank,
    isNumeric,
    cells: [title, ...runs.map(cell)].map(oneLine),
  })
  const varying = varyingSettings(runs)
  const hasOne = (has: (run: ListedRun) => unknown): boolean => runs.some(has)
  return [
    column('run', 0, ({ directory }) => shortPath(directory)),
    column('status', 1, ({ record }) => record.status),
    ...metrics.map((name, i) => {
      const format = formatterOf(infos.get(name)!)
      return column(
        name,
        2 + i / 100,
        ({ metrics }) => {
          const value = ownValue(metrics, name)
          return value === undefined ? '–' : format(value)
        },
        true,
      )
    }),
    ...varying.map((name, i) =>
      column(
        name,
        4 + i / 1000,
        ({ settings }) => formatValue(ownValue(settings, name)),
        runs.every(({ settings }) => typeof ownValue(settings, name) === 'number'),
      ),
    ),
    column('epoch', 7, ({ metrics }) => (metrics ? String(metrics.epoch) : '–'), true),
    column('age', 3, ({ record }) => ageOf(record.started), true),
    column('took', 6, ({ record }) => formatSeconds(record.timings?.total), true),
    ...(new Set(runs.map(({ record }) => record.name)).size > 1
      ? [column('name', 5, ({ record }) => record.name)]
      : []),
    ...(hasOne(({ tags }) => tags.length > 0) ? [column('tags', 3.5, ({ tags }) => tags.join(' '))] : []),
    ...(hasOne(({ note }) => note) ? [column('note', 8, ({ note = '' }) => note)] : []),
  ]
}

/**
 * The names of the settings that differ: options between runs of one definition, vars between all runs. What only stages
 * of another definition have is left out.
 */
function varyingSettings(runs: readonly ListedRun[]): string[] {
  const byName = [...grouped(runs, ({ record }) => record.name).values()]
  const differs = (group: readonly ListedRun[], name: string): boolean =>
    new Set(group.map(({ settings }) => JSON.stringify(ownValue(settings, name)))).size > 1
  return [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))].filter(
    (name) =>
      byName.some((group) => differs(group, name)) ||
      (!name.includes('.') &&
        differs(
          runs.filter(({ settings }) => ownValue(settings, name) !== undefined),
          name,
        )),
  )
}

function filtered(runs: readonly ListedRun[], { where, tag, status }: ListFlags): readonly ListedRun[] {
  const conditions = where.map((text) => {
    const at = text.indexOf('=')
    if (at > 0) return { name: text.slice(0, at).trim(), value: text.slice(at + 1).trim() }
    throw new PipelineError('ARGUMENTS', `--where ${text}: expected NAME=VALUE, such as eta=0.1`)
  })
  const known = new Set(runs.flatMap(({ settings }) => Object.keys(settings)))
  const names = conditions.map(({ name }) => name).filter((name) => name !== 'name')
  if (runs.length > 0) checkNames('--where', names, known)
  return runs.filter(
    ({ settings, tags, record }) =>
      (status === undefined || record.status === status) &&
      tag.every((each) => tags.includes(each)) &&
      conditions.every(({ name, value }) => isValue(name === 'name' ? record.name : ownValue(settings, name), value)),
  )
}

/** Whether a setting has the value that a text says: `0.10` is 0.1. */
function isValue(setting: unknown, text: string): boolean {
  return typeof setting === 'number' ? text !== '' && setting === Number(text) : formatValue(setting) === text
}

/** Sorts by a setting, a metric, `run`, `age`, `took` or `status`; the newest first by default. Runs without a value are last. */
function sorted(runs: readonly ListedRun[], by = 'age', infos: ListedRun['metricInfos']): readonly ListedRun[] {
  const name = by.replace(/^-/, '')
  const own = new Map<string, (run: ListedRun) => unknown>([
    ['run', ({ directory }) => directory],
    ['status', ({ record }) => record.status],
    ['name', ({ record }) => record.name],
    ['age', ({ record }) => (record.started === undefined ? undefined : -Date.parse(record.started))],
    ['took', ({ record }) => record.timings?.total],
  ])
  const settings = runs.flatMap((run) => Object.keys(run.settings))
  if (runs.length > 0) checkNames('--sort', [name], new Set([...own.keys(), ...infos.keys(), ...settings]))
  const sortValue = own.get(name) ?? ((run: ListedRun) => ownValue(run.metrics, name) ?? ownValue(run.settings, name))
  const isKnown = (value: unknown): boolean => value !== undefined && !Number.isNaN(value)
  const sign = by.startsWith('-') ? -1 : 1
  return [...runs].sort((x, y) => {
    const [a, b] = [sortValue(x), sortValue(y)]
    if (!isKnown(a) || !isKnown(b)) return Number(isKnown(b)) - Number(isKnown(a))
    if (typeof a === 'number' && typeof b === 'number') return sign * (a - b)
    const [s, t] = [formatValue(a), formatValue(b)]
    return sign * (s < t ? -1 : s > t ? 1 : 0)
  })
}

function checkNames(flag: string, names: readonly string[], known: ReadonlySet<string>): void {
  const problems = names
    .filter((name) => !known.has(name))
    .map((name) => ({ where: flag, message: `no run has "${name}"${suggestion(name, known, 'names')}` }))
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
}

function jsonOf({ directory, record, settings, metrics, tags, note }: ListedRun): unknown {
  const { name, status, error, started, finished, timings, git } = record
  return {
    directory,
    name,
    status,
    error,
    started,
    finished,
    seconds: timings?.total,
    settings,
    metrics,
    tags,
    note,
    git,
  }
}

/** How long ago a time is, in its largest unit: `5 min`. */
function ageOf(started: string | undefined): string {
  const time = Date.parse(started ?? '')
  return Number.isNaN(time) ? '–' : formatSeconds((Date.now() - time) / 1000)
}

/** A number of seconds in its largest unit: `12 s`, `5 min`, `3 h`, `9 d`. */
function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return '–'
  if (seconds < 60) return `${Math.max(0, seconds).toFixed(seconds < 10 ? 1 : 0)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}
