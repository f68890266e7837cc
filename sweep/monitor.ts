import { PipelineError } from '../pipeline/base/errors.js'
import { suggestion } from '../pipeline/base/nearest.js'
import { listed } from '../pipeline/base/words.js'
import type { ColumnInfos } from '../pipeline/wires/metric-info.js'
import type { Outcome } from './executor.js'

/** The splits and metrics to compare settings by if the user names none, the most telling first. */
const preferredSplits = ['validation', 'test', 'train']
const preferredNames = ['accuracy', 'loss']

/**
 * The metric to compare settings by if the user names none: accuracy or loss of `validation`, else of `test`, else of
 * `train`, else the last metric that says which direction is better. Undefined if none does.
 */
export function defaultMonitor(infos: ColumnInfos): string | undefined {
  const directed = [...infos].filter(([, { better }]) => better !== undefined)
  for (const split of preferredSplits)
    for (const name of preferredNames) {
      const found = directed.find(([, info]) => info.split === split && info.name === name)
      if (found) return found[0]
    }
  return directed.at(-1)?.[0]
}

/** How to give a metric a direction, for messages. */
export const directionFix = 'let the stage that makes it say so (better: higher or lower)'

/**
 * Whether `higher` or `lower` values of a monitor are better. Throws a PipelineError `ARGUMENTS` if there is no such
 * metric or if it does not say.
 */
export function directionOf(monitor: string, infos: ColumnInfos): 'higher' | 'lower' {
  const names = [...infos.keys()]
  const info = infos.get(monitor)
  if (!info)
    throw new PipelineError('ARGUMENTS', `no metric named "${monitor}"${suggestion(monitor, names, 'metrics')}`)
  if (info.better) return info.better
  const directed = names.filter((name) => infos.get(name)!.better)
  const choice = directed.length > 0 ? `choose ${listed(directed)}, or ` : ''
  const problem = `the metric "${monitor}" does not say whether higher or lower is better`
  throw new PipelineError('ARGUMENTS', `${problem}; ${choice}${directionFix}`)
}

/** What is wrong with the monitor of a sweep: it is none of the metrics that its points have. Undefined if nothing is. */
export function monitorProblem(monitor: string | undefined, infos: ColumnInfos): string | undefined {
  if (monitor === undefined || infos.size === 0 || infos.has(monitor)) return undefined
  return `settings are to be compared by "${monitor}", and no point has this metric${suggestion(monitor, [...infos.keys()], 'metrics')}`
}

/** Compares two values by direction, for `sort`: negative if `a` is better than `b`. */
export function compareValues(better: 'higher' | 'lower', a: number, b: number): number {
  if (a === b) return 0
  return a > b === (better === 'higher') ? -1 : 1
}

/** The final value of the monitor as text, for example `validation_accuracy 91.23 %`; undefined if there is none. */
export function formatMonitored(
  monitor: string | undefined,
  { final }: Outcome,
  infos: ColumnInfos,
): string | undefined {
  const name = monitor ?? defaultMonitor(infos)
  const value = name === undefined ? undefined : final?.[name]
  if (value === undefined) return undefined
  const isShare = infos.get(name!)?.unit === 'share'
  return `${name} ${isShare ? `${(100 * value).toFixed(2)} %` : value.toPrecision(5)}`
}
