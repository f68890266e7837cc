import { z } from 'zod'
import type { MetricsRow } from './metrics.js'

/** The state of rows of metrics in a checkpoint: the names of the columns, and the numbers row by row. */
export const keptRows = z.strictObject({ columns: z.array(z.string()), values: z.instanceof(Float64Array) })

/** Converts rows to their state. All rows must have the same columns. */
export function rowsState(rows: readonly MetricsRow[]): z.output<typeof keptRows> {
  const columns = Object.keys(rows[0] ?? {})
  const values = new Float64Array(rows.length * columns.length)
  for (const [i, row] of rows.entries())
    for (const [j, column] of columns.entries()) values[i * columns.length + j] = row[column]!
  return { columns, values }
}

/** Converts the state back to rows. */
export function rowsFrom({ columns, values }: z.output<typeof keptRows>): MetricsRow[] {
  const count = columns.length === 0 ? 0 : Math.floor(values.length / columns.length)
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(columns.map((column, j) => [column, values[i * columns.length + j]!])),
  ) as MetricsRow[]
}
