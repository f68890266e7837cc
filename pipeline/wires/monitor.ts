import type { Table } from 'apache-arrow'
import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { listed } from '../base/words.js'
import type { Facts } from '../stage/stage.js'
import { type MetricsRow, metricInfosOf } from './metrics.js'

/** An option that names a column of the metrics. */
export const metricName = z.string().min(1)

/** Reports a metric that is not among the known metrics, or whose split is not evaluated. */
export function checkMetric(name: string, facts: Facts | undefined, problem: (message: string) => void): void {
  const { splits, metrics } = facts ?? {}
  if (metrics) {
    if (!metrics.includes(name)) problem(`no metric named "${name}" is computed${suggestion(name, metrics, 'metrics')}`)
  } else if (splits && !splits.some((split) => name.startsWith(`${split}_`)))
    problem(`"${name}" is no metric of the splits that are evaluated: ${listed(splits, 'and')}`)
}

/** Returns the value of a metric. Throws a PipelineError `DATA` if the row has no metric of that name. */
export function metricOf(row: MetricsRow, name: string): number {
  const value = row[name]
  if (value !== undefined) return value
  const names = Object.keys(row).filter((key) => key !== 'epoch' && key !== 'step')
  throw new PipelineError('DATA', `no metric named "${name}" arrived; there are ${listed(names, 'and')}`)
}

/** Returns which direction of a metric is better. Throws a PipelineError `DATA` if its metadata does not say. */
export function directionOf(table: Table, name: string): 'higher' | 'lower' {
  const { better } = metricInfosOf(table)[name] ?? {}
  if (better) return better
  throw new PipelineError(
    'DATA',
    `the metric "${name}" does not say whether higher or lower is better; the stage that makes it must: ` +
      `metricsTable(position, values, { ${name}: { name, title, better: 'higher' } })`,
  )
}
