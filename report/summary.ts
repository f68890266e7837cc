import type { MetricsRow } from '../pipeline/wires/metrics.js'

/** The options that tell experiments apart, under the names that the shipped pipelines give them. */
export interface Parameters {
  /** Rows of a batch. */
  readonly batchSize?: number | undefined
  /** The number of epochs. */
  readonly epochs?: number | undefined
  /** The weight of the penalty; a text if it was changed on the way. */
  readonly lambda?: number | string | undefined
  /** The learning rate; a text if it has a schedule or was changed on the way. */
  readonly eta?: number | string | undefined
  /** The hidden layers of a network, and what is done to them. */
  readonly layers?: string | undefined
  /** The loss, unless it is the plain cross-entropy. */
  readonly loss?: string | undefined
  /** The update rule, unless it is plain gradient descent. */
  readonly update?: string | undefined
}

/** A metric over several runs. */
export interface Summary {
  /** The mean. */
  readonly mean: number
  /** The sample standard deviation; undefined for a single run. */
  readonly deviation: number | undefined
  /** The number of runs. */
  readonly count: number
}

/** Summarises every metric over the last rows of runs. */
export function summariesOf(rows: readonly MetricsRow[]): Map<string, Summary> {
  const names = new Set(rows.flatMap((row) => Object.keys(row)))
  return new Map([...names].map((name) => [name, summaryOf(rows.flatMap((row) => row[name] ?? []))]))
}

/** Summarises the values of a metric, one of each run. */
export function summaryOf(values: readonly number[]): Summary {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : undefined, count }
}
