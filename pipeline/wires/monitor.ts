import type { Table } from 'apache-arrow'
import { concatMap, map, type OperatorFunction } from 'rxjs'
import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { listed } from '../base/words.js'
import type { Checking, Facts } from '../stage/facts.js'
import { metricColumns } from './metric-info.js'
import { type MetricsRow, metricInfosOf, metricsRows } from './metrics.js'

/** An option that names a column of the metrics. */
export const metricName = z.string().min(1)

/** The option of a stage that monitors one metric. */
export const monitorOption = metricName
  .default('validation_cost')
  .describe('The metric to monitor. Its metadata says whether higher or lower is better.')

/** One value of a monitored metric. */
export interface Monitored {
  /** The row of metrics. */
  readonly row: MetricsRow
  /** The value of the metric. */
  readonly value: number
  /** Which direction of it is better. */
  readonly better: 'higher' | 'lower'
}

/**
 * Emits the values of one metric, row by row. Fails with a PipelineError `DATA` if a row has no such metric, or if its
 * metadata does not say which direction is better.
 */
export function monitored(name: string): OperatorFunction<Table, Monitored> {
  return (metrics) =>
    metrics.pipe(
      concatMap((table) => metricsRows(table).map((row) => ({ table, row }))),
      map(({ table, row }) => ({ row, value: metricOf(row, name), better: directionOf(table, name) })),
    )
}

/** Checks the option `monitor` of a stage with the input `metrics`. The stage has no outputs to tell facts about. */
export function checkMonitor({ options, inputs, problem }: Checking<{ monitor: string }>): Record<never, Facts> {
  checkMetric(options.monitor, inputs.metrics, (message) => problem('monitor', message))
  return {}
}

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
  const names = metricColumns(Object.keys(row))
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
