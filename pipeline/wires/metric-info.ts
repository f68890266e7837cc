import type { MetricInfo, MetricInfos } from './metrics.js'

/** The metadata of metrics by the names of their columns, in the order of the columns. */
export type ColumnInfos = ReadonlyMap<string, MetricInfo>

/** The columns that are metrics: all but `epoch` and `step`. */
export function metricColumns(columns: Iterable<string>): string[] {
  return [...columns].filter((name) => name !== 'epoch' && name !== 'step')
}

/**
 * The metadata of the columns of a run, `epoch` and `step` left out.
 *
 * @param stored the field `metrics` of `run.json`. A run of version 0.1.0 has none: its columns are known by their
 * names.
 */
export function columnInfosOf(columns: Iterable<string>, stored: MetricInfos | undefined): ColumnInfos {
  const metrics = metricColumns(new Set(columns))
  return new Map(metrics.map((column) => [column, stored ? storedInfo(column, stored) : metricInfoByName(column)]))
}

function storedInfo(column: string, stored: MetricInfos): MetricInfo {
  return Object.hasOwn(stored, column) ? stored[column]! : plainInfo(column)
}

/**
 * The metadata of a column by the rule of version 0.1.0, in which metrics had no metadata: names that end in `accuracy`
 * are shares and better if higher; names that end in `loss` or `cost` are better if lower. Other columns get no
 * metadata.
 */
export function metricInfoByName(column: string): MetricInfo {
  const [, split, name = column] = /^(.+)_(loss|cost|accuracy)$/.exec(column) ?? []
  if (name.endsWith('accuracy'))
    return { ...(split && { split }), name, title: titleOf(name), unit: 'share', better: 'higher' }
  if (/(loss|cost)$/.test(name)) return { ...(split && { split }), name, title: titleOf(name), better: 'lower' }
  return plainInfo(column)
}

function plainInfo(column: string): MetricInfo {
  return { name: column, title: titleOf(column) }
}

function titleOf(name: string): string {
  return name.replaceAll('_', ' ')
}

/**
 * Joins the metadata of several runs. If a column has several, the first that says which direction is better counts. If
 * two contradict each other, neither direction is better.
 */
export function mergeMetricInfos(all: Iterable<ColumnInfos>): ColumnInfos {
  const merged = new Map<string, MetricInfo>()
  const contradictory = new Set<string>()
  for (const infos of all)
    for (const [column, info] of infos) {
      const before = merged.get(column)
      if (before?.better && info.better && before.better !== info.better) contradictory.add(column)
      if (!before?.better) merged.set(column, info.better || !before ? info : before)
    }
  for (const column of contradictory) {
    const { better: _, ...rest } = merged.get(column)!
    merged.set(column, rest)
  }
  return merged
}

/** Whether `value` is better than `best` by more than `margin`. NaN is never better. */
export function isBetter(better: 'higher' | 'lower', value: number, best: number | undefined, margin = 0): boolean {
  if (Number.isNaN(value)) return false
  if (best === undefined) return true
  return better === 'higher' ? value > best + margin : value < best - margin
}
