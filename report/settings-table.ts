import { isBetter, type MetricsRow } from '../pipeline/wires/metrics.js'
import { defaultMonitor } from '../sweep/index.js'
import type { Attempt, Attempts } from './attempts.js'
import { type Summary, summaryOf } from './summary.js'
import { type Cell, type Column, type DataTable, summaryCell, wordOf } from './tables.js'

/** The attempts at one setting: they differ in their seeds. */
export interface SettingRow {
  readonly settings: Readonly<Record<string, unknown>>
  readonly attempts: readonly Attempt[]
  /** Of the last evaluation of those that are done; where there is none, of those that were ended early. */
  readonly final: ReadonlyMap<string, Summary>
  readonly isBest: boolean
}

/** Settings side by side. */
export interface Settings {
  readonly rows: readonly SettingRow[]
  /** The names that do not have one value everywhere. */
  readonly varying: readonly string[]
  readonly metrics: readonly string[]
  /** What says which setting is best; undefined where no metric is known yet. */
  readonly monitor: string | undefined
}

export interface SettingsOptions {
  readonly monitor?: string | undefined
  /** A column to sort by, `-name` in the other order. Default: best first. */
  readonly sort?: string | undefined
}

/** Puts attempts together by their settings; in the order of the attempts, or the best first where there are results. */
export function settingsFrom({ attempts, monitor: named }: Attempts, options: SettingsOptions = {}): Settings {
  const groups = new Map<string, Attempt[]>()
  const names = new Set<string>()
  for (const attempt of attempts) {
    const key = JSON.stringify([attempt.name, attempt.settings])
    const group = groups.get(key) ?? []
    if (group.length === 0) groups.set(key, group)
    group.push(attempt)
    for (const name of Object.keys(attempt.settings)) names.add(name)
  }
  const metrics = [...new Set(attempts.flatMap(({ final }) => Object.keys(final ?? {})))].filter(
    (name) => name !== 'epoch' && name !== 'step',
  )
  const monitor = options.monitor ?? named ?? defaultMonitor(metrics)
  const nameVaries = new Set(attempts.map(({ name }) => name)).size > 1
  const rows = [...groups.values()].map(
    (group): Unmarked => ({
      settings: { ...(nameVaries && { name: group[0]!.name }), ...group[0]!.settings },
      attempts: group,
      final: finalOf(group),
    }),
  )
  const all = [...(nameVaries ? ['name'] : []), ...names]
  const best = bestOf(rows, monitor)
  const marked = rows.map((row) => ({ ...row, isBest: row === best }))
  return {
    rows: sorted(marked, options.sort ?? monitor, options.sort === undefined),
    varying: all.filter((name) => new Set(rows.map(({ settings }) => JSON.stringify(settings[name]))).size > 1),
    metrics,
    monitor,
  }
}

function finalOf(attempts: readonly Attempt[]): Map<string, Summary> {
  const isDone = attempts.some(({ status }) => status === 'done')
  const counted = isDone ? 'done' : 'ended early'
  const rows = attempts.flatMap(({ status, final }): MetricsRow[] => (status === counted && final ? [final] : []))
  const names = new Set(rows.flatMap((row) => Object.keys(row)))
  return new Map([...names].map((name) => [name, summaryOf(rows.flatMap((row) => row[name] ?? []))]))
}

type Unmarked = Omit<SettingRow, 'isBest'>

function bestOf(rows: readonly Unmarked[], monitor: string | undefined): Unmarked | undefined {
  let best: { row: Unmarked; value: number } | undefined
  for (const row of rows) {
    const isDone = row.attempts.some(({ status }) => status === 'done')
    const value = monitor === undefined || !isDone ? undefined : row.final.get(monitor)?.mean
    if (value !== undefined && isBetter(monitor!.endsWith('accuracy') ? 'higher' : 'lower', value, best?.value))
      best = { row, value }
  }
  return best?.row
}

/** By a setting or a metric; `-name` turns the order round. What has no value stands last. */
function sorted(rows: readonly SettingRow[], by: string | undefined, bestFirst: boolean): SettingRow[] {
  if (by === undefined) return [...rows]
  const name = by.replace(/^-/, '')
  // Of metrics that grow, 1 is better than 0.
  const isDown = bestFirst ? isBetter(name.endsWith('accuracy') ? 'higher' : 'lower', 1, 0) : by.startsWith('-')
  const found = ({ settings, final }: SettingRow): unknown => settings[name] ?? final.get(name)?.mean
  const order = (a: unknown, b: unknown): number => {
    if (typeof a === 'number' && typeof b === 'number') return a - b
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0
  }
  const isKnown = (row: SettingRow): boolean => {
    const value = found(row)
    return value !== undefined && !Number.isNaN(value)
  }
  return [...rows].sort((a, b) => {
    const [known, other] = [isKnown(a), isKnown(b)]
    if (!known || !other) return Number(other) - Number(known)
    return (isDown ? -1 : 1) * order(found(a), found(b))
  })
}

/**
 * A row for each setting. By default it has the names that vary, how many runs are done, the loss and accuracy of each
 * split (costs hold the penalty, which settings differ in), and what became of runs that are not done.
 */
export function settingsTable(settings: Settings, columns?: readonly string[]): DataTable {
  const { rows, varying, metrics } = settings
  const repeated = rows.some(({ attempts }) => attempts.length > 1)
  const isWhole = rows.every(({ attempts }) => attempts.every(({ status }) => status === 'done'))
  const shown = columns ?? [...varying, ...metrics.filter((name) => !name.endsWith('_cost'))]
  const own = columns === undefined
  return {
    id: 'settings',
    caption: `${rows.length} setting${rows.length === 1 ? '' : 's'}${repeated ? ', mean ± standard deviation over the seeds' : ''}`,
    columns: [
      ...shown.map((name): Column => ({ name, isNumeric: rows.every((row) => isNumeric(row, name)) })),
      ...(own && repeated ? [{ name: 'runs', isNumeric: true }] : []),
      ...(own && !isWhole ? [{ name: 'status' }] : []),
    ],
    rows: rows.map((row) => [
      ...shown.map((name) => ({ ...cellOf(row, name), ...(row.isBest && { isBest: true }) })),
      ...(own && repeated ? [runsCell(row)] : []),
      ...(own && !isWhole ? [{ text: statusOf(row) }] : []),
    ]),
    notes: [],
  }
}

function isNumeric({ settings, final }: SettingRow, name: string): boolean {
  return final.has(name) || !(name in settings) || typeof settings[name] === 'number'
}

function cellOf({ settings, final, attempts }: SettingRow, name: string): Cell {
  if (name === 'seed') return { text: attempts.map(({ seed }) => seed).join(', ') }
  if (!(name in settings)) return summaryCell(final.get(name), wordOf(name))
  const value = settings[name]
  if (typeof value === 'number') return { text: String(value), value }
  return { text: typeof value === 'string' ? value : JSON.stringify(value) }
}

function runsCell({ attempts }: SettingRow): Cell {
  const done = attempts.filter(({ status }) => status === 'done').length
  return done === attempts.length ? { text: String(done), value: done } : { text: `${done} of ${attempts.length}` }
}

/** What became of those that are not done: how many of each kind, and the first reason of each kind. */
function statusOf({ attempts }: SettingRow): string {
  const kinds = new Map<string, Attempt[]>()
  for (const attempt of attempts) kinds.set(attempt.status, [...(kinds.get(attempt.status) ?? []), attempt])
  return [...kinds]
    .map(([status, list]) => {
      const reason = status === 'failed' ? list[0]!.error?.split('\n', 1)[0] : undefined
      return `${attempts.length > 1 ? `${list.length} ` : ''}${status}${reason ? `: ${reason}` : ''}`
    })
    .join(', ')
}
