import { isDeepStrictEqual } from 'node:util'
import { grouped } from '../pipeline/base/grouped.js'
import { counted } from '../pipeline/base/words.js'
import { type ColumnInfos, isBetter, metricColumns, metricInfoByName } from '../pipeline/wires/metric-info.js'
import type { MetricsRow } from '../pipeline/wires/metrics.js'
import { defaultMonitor, directionOf } from '../sweep/monitor.js'
import type { Attempt, Attempts } from './attempts.js'
import { formatterOf } from './metric-format.js'
import { type Summary, summariesOf } from './summary.js'
import { type Cell, type Column, type DataTable, summaryCell } from './tables.js'

/** The attempts at one setting. They differ in their seeds and folds. */
export interface SettingRow {
  /** The values of the setting, by name. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The attempts, in order. */
  readonly attempts: readonly Attempt[]
  /** The metrics of the last evaluation, over the attempts that are done, or over those ended early if none is done. */
  readonly final: ReadonlyMap<string, Summary>
  /** Whether the setting is the best by the monitor. Several are if no metric tells them apart. */
  readonly isBest: boolean
}

/** Settings and their results. */
export interface Settings {
  /** A row for each setting. */
  readonly rows: readonly SettingRow[]
  /** The names of which the value varies. */
  readonly varying: readonly string[]
  /** The columns of the metrics, in order. */
  readonly metrics: readonly string[]
  /** The metadata of the metrics. */
  readonly metricInfos: ColumnInfos
  /** The metric that settings are compared by; undefined if no metric is known yet. */
  readonly monitor: string | undefined
}

/** How to compare settings. */
export interface SettingsOptions {
  /** The metric that settings are compared by. Default: the monitor of the sweep, else accuracy or loss. */
  readonly monitor?: string | undefined
  /** A column to sort by in rising order, or `-name` for falling order. Default: best first. */
  readonly sort?: string | undefined
}

/**
 * Groups attempts by their settings, the best first. Settings without results come last, in the order of the attempts.
 * Throws a PipelineError `ARGUMENTS` if the monitor does not say whether higher or lower is better.
 */
export function settingsFrom(
  { attempts: given, monitor: sweepMonitor, metricInfos }: Attempts,
  options: SettingsOptions = {},
): Settings {
  const attempts = withDefaults(given)
  const groups = grouped(attempts, ({ name, settings }) => JSON.stringify([name, settings]))
  const names = new Set([...groups.values()].flatMap(([first]) => Object.keys(first!.settings)))
  const columns = new Set(attempts.flatMap(({ final }) => Object.keys(final ?? {})))
  const metrics = metricColumns(columns)
  const monitor = options.monitor ?? sweepMonitor ?? defaultMonitor(metricInfos)
  // If no attempt has the monitor, no setting is the best.
  const better = monitor !== undefined && columns.has(monitor) ? directionOf(monitor, metricInfos) : undefined
  const nameVaries = new Set(attempts.map(({ name }) => name)).size > 1
  const rows = [...groups.values()].map(
    (group): SettingResults => ({
      settings: { ...(nameVaries && { name: group[0]!.name }), ...group[0]!.settings },
      attempts: group,
      final: finalOf(group),
    }),
  )
  const all = [...(nameVaries ? ['name'] : []), ...names]
  const best = new Set(better ? bestOf(rows, monitor!, better, metricInfos) : [])
  const settingRows = rows.map((row) => ({ ...row, isBest: best.has(row) }))
  const { sort = better && `${better === 'higher' ? '-' : ''}${monitor}` } = options
  const differing = all.filter((name) => new Set(rows.map(({ settings }) => JSON.stringify(settings[name]))).size > 1)
  return {
    rows: sort === undefined ? settingRows : sortRows(settingRows, sort),
    varying: nameVaries ? differing.filter((name) => !isPartOfPipeline(name, rows)) : differing,
    metrics,
    metricInfos,
    monitor,
  }
}

/**
 * Whether a column says no more than which pipelines have a stage: no two name different ones there, and the name of the
 * pipeline, which has a column of its own, tells it.
 */
function isPartOfPipeline(name: string, rows: readonly SettingResults[]): boolean {
  const valuesOf = (given: readonly unknown[]): number => new Set(given.map((value) => JSON.stringify(value))).size
  return (
    name.endsWith('.use') &&
    valuesOf(rows.flatMap(({ settings }) => settings[name] ?? [])) === 1 &&
    valuesOf(rows.map(({ settings }) => [settings.name, settings[name]])) ===
      valuesOf(rows.map(({ settings }) => settings.name))
  )
}

/**
 * Gives attempts the defaults of the options that others set. An option that nobody sets to another value than its
 * default is left out: it tells no attempt from another.
 */
function withDefaults(attempts: readonly Attempt[]): readonly Attempt[] {
  const isDefault = ({ defaults = {} }: Attempt, name: string, value: unknown): boolean =>
    Object.hasOwn(defaults, name) && isDeepStrictEqual(value, defaults[name])
  const set = new Set(
    attempts.flatMap((attempt) =>
      Object.entries(attempt.settings).flatMap(([name, value]) => (isDefault(attempt, name, value) ? [] : [name])),
    ),
  )
  return attempts.map((attempt) => {
    const own = Object.entries({ ...attempt.defaults, ...attempt.settings }).filter(([name]) => set.has(name))
    return { ...attempt, settings: Object.fromEntries(own) }
  })
}

function finalOf(attempts: readonly Attempt[]): Map<string, Summary> {
  const isDone = attempts.some(({ status }) => status === 'done')
  const countedStatus = isDone ? 'done' : 'ended early'
  const rows = attempts.flatMap(({ status, final }): MetricsRow[] => (status === countedStatus && final ? [final] : []))
  return summariesOf(rows)
}

type SettingResults = Omit<SettingRow, 'isBest'>

/**
 * The best settings by the monitor. If several have the same value, the other metrics of its split decide, in the order
 * of the columns; settings that are the same in all of them are all the best. The cost does not decide, because it has
 * the penalty, in which settings may differ.
 */
function bestOf(
  rows: readonly SettingResults[],
  monitor: string,
  better: 'higher' | 'lower',
  infos: ColumnInfos,
): readonly SettingResults[] {
  const { split } = infos.get(monitor)!
  const others = [...infos].flatMap(([column, info]) =>
    column !== monitor && info.split === split && info.name !== 'cost' && info.better
      ? [[column, info.better] as const]
      : [],
  )
  let best = rows.filter(({ attempts }) => attempts.some(({ status }) => status === 'done'))
  for (const [column, direction] of [[monitor, better] as const, ...others]) {
    const values = best.map(({ final }) => final.get(column)?.mean)
    const top = values.reduce(
      (found, value) => (value !== undefined && isBetter(direction, value, found) ? value : found),
      undefined,
    )
    if (top !== undefined) best = best.filter((_, i) => values[i] === top)
    else if (column === monitor) return []
  }
  return best
}

/** Sorts by a setting or a metric: `name` in rising order, `-name` in falling order. Rows without a value come last. */
function sortRows(rows: readonly SettingRow[], by: string): SettingRow[] {
  const name = by.replace(/^-/, '')
  const isFalling = by.startsWith('-')
  const cellValue = ({ settings, final }: SettingRow): unknown => settings[name] ?? final.get(name)?.mean
  const order = (a: unknown, b: unknown): number => {
    if (typeof a === 'number' && typeof b === 'number') return a - b
    const [x, y] = [formatValue(a), formatValue(b)]
    return x < y ? -1 : x > y ? 1 : 0
  }
  const isKnown = (row: SettingRow): boolean => {
    const value = cellValue(row)
    return value !== undefined && !Number.isNaN(value)
  }
  return [...rows].sort((a, b) => {
    const [known, other] = [isKnown(a), isKnown(b)]
    if (!known || !other) return Number(other) - Number(known)
    return (isFalling ? -1 : 1) * order(cellValue(a), cellValue(b))
  })
}

/** Over what the mean and the deviation of a row are. */
function deviationNote(rows: readonly SettingRow[]): string {
  const attempts = rows.flatMap((row) => row.attempts)
  const isMany = (name: 'seed' | 'fold'): boolean => new Set(attempts.map((attempt) => attempt[name])).size > 1
  const over = (['fold', 'seed'] as const).filter(isMany).map((name) => `${name}s`)
  return `, mean ± standard deviation over the ${over.join(' and ') || 'runs'}`
}

/**
 * Makes a table with a row for each setting.
 *
 * @param columns the names of settings and metrics to show. Default: the names that vary, the number of runs that are
 * done, every metric except the costs (they include the penalty, in which settings may differ), and the status of other
 * runs.
 */
export function settingsTable(settings: Settings, columns?: readonly string[]): DataTable {
  const { rows, varying, metrics, metricInfos } = settings
  const isRepeated = rows.some(({ attempts }) => attempts.length > 1)
  const isWhole = rows.every(({ attempts }) => attempts.every(({ status }) => status === 'done'))
  const shown = columns ?? [...varying, ...metrics.filter((name) => metricInfos.get(name)?.name !== 'cost')]
  const isDefault = columns === undefined
  const hasTags = rows.some((row) => tagsOf(row).length > 0)
  return {
    id: 'settings',
    caption: `${counted(rows.length, 'setting')}${isRepeated ? deviationNote(rows) : ''}`,
    columns: [
      ...shown.map((name): Column => ({ name, isNumeric: rows.every((row) => isNumeric(row, name)) })),
      ...(isDefault && isRepeated ? [{ name: 'runs', isNumeric: true }] : []),
      ...(isDefault && !isWhole ? [{ name: 'status' }] : []),
      ...(isDefault && hasTags ? [{ name: 'tags' }] : []),
    ],
    rows: rows.map((row) => [
      ...shown.map((name) => ({ ...cellOf(row, name, metricInfos), ...(row.isBest && { isBest: true }) })),
      ...(isDefault && isRepeated ? [runsCell(row)] : []),
      ...(isDefault && !isWhole ? [{ text: statusOf(row) }] : []),
      ...(isDefault && hasTags ? [{ text: tagsOf(row).join(' ') || '–' }] : []),
    ]),
    notes: [],
  }
}

function isNumeric({ settings, final }: SettingRow, name: string): boolean {
  return final.has(name) || !(name in settings) || typeof settings[name] === 'number'
}

function cellOf({ settings, final, attempts }: SettingRow, name: string, infos: ColumnInfos): Cell {
  if (name === 'seed' || name === 'fold')
    return { text: [...new Set(attempts.flatMap((attempt) => attempt[name] ?? []))].join(', ') }
  if (!(name in settings)) return summaryCell(final.get(name), formatterOf(infos.get(name) ?? metricInfoByName(name)))
  const value = settings[name]
  if (typeof value === 'number') return { text: String(value), value }
  return { text: formatValue(value) }
}

/** The value of a setting as text; a dash if there is none. */
export function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')
}

function runsCell({ attempts }: SettingRow): Cell {
  const done = attempts.filter(({ status }) => status === 'done').length
  return done === attempts.length ? { text: String(done), value: done } : { text: `${done} of ${attempts.length}` }
}

/** The status of the attempts in words: how many of each status, and the first reason of those that failed. */
function statusOf({ attempts }: SettingRow): string {
  return [...grouped(attempts, ({ status }) => status)]
    .map(([status, list]) => {
      const reason = status === 'failed' ? list[0]!.error?.split('\n', 1)[0] : undefined
      return `${attempts.length > 1 ? `${list.length} ` : ''}${status}${reason ? `: ${reason}` : ''}`
    })
    .join(', ')
}

/** The tags of the attempts, without those that recur. */
function tagsOf({ attempts }: SettingRow): string[] {
  return [...new Set(attempts.flatMap(({ tags = [] }) => tags))].sort()
}
