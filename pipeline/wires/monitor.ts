import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { listed } from '../base/words.js'
import type { Facts } from '../stage/stage.js'
import type { MetricsRow } from './metrics.js'

/** An option that names a column of the metrics. */
export const metricName = z.string().min(1)

/** Reports a metric that cannot be there: one of a split that is not evaluated. */
export function checkMetric(name: string, metrics: Facts | undefined, problem: (message: string) => void): void {
  const { splits } = metrics ?? {}
  if (splits && !splits.some((split) => name.startsWith(`${split}_`)))
    problem(`"${name}" is no metric of the splits that are evaluated: ${listed(splits, 'and')}`)
}

/** The value of a metric. Throws a PipelineError `DATA` where the row has none of that name. */
export function metricOf(row: MetricsRow, name: string): number {
  const value = row[name]
  if (value !== undefined) return value
  const names = Object.keys(row).filter((key) => key !== 'epoch' && key !== 'step')
  throw new PipelineError('DATA', `no metric named "${name}" arrived; there are ${listed(names, 'and')}`)
}
