/** The options that tell experiments apart, under the names that pipelines give them. */
export interface Parameters {
  readonly batchSize?: number | undefined
  readonly epochs?: number | undefined
  readonly lambda?: number | undefined
  readonly eta?: number | string | undefined
}

/** A number over the runs of an experiment; `deviation` is the sample standard deviation, where there are several. */
export interface Summary {
  readonly mean: number
  readonly deviation: number | undefined
  readonly count: number
}

export function summaryOf(values: readonly number[]): Summary {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : undefined, count }
}
