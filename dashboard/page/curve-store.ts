import type { MetricsEvent, Value } from '../contract.js'

/** The rows of the metrics of a run that the page holds. */
export interface Rows {
  /** The names of the columns. */
  columns: readonly string[]
  /** The numbers of the rows in the file. */
  numbers: number[]
  /** The values of each column; null where it is no finite number. */
  values: (number | null)[][]
  /** The bytes of the file that were read, and all. */
  read: readonly [number, number]
}

/** More rows of a run are not held: then every second one goes. */
export const MOST_ROWS = 8000

/** Takes rows of a run into those that are held, and returns them. */
export function withRows(held: Rows | undefined, event: MetricsEvent): Rows {
  const { isReset, columns, numbers, rows, read } = event
  const isSame = held !== undefined && !isReset && held.columns.length === columns.length
  const all = isSame ? held : { columns, numbers: [], values: columns.map(() => []), read }
  all.read = read
  for (const [i, row] of rows.entries()) {
    const number = numbers[i]!
    // After a connection was lost, rows may come twice.
    if (number <= (all.numbers.at(-1) ?? -1)) continue
    all.numbers.push(number)
    for (const [column, value] of row.entries()) all.values[column]!.push(finite(value))
  }
  if (all.numbers.length > MOST_ROWS) {
    all.numbers = halved(all.numbers)
    all.values = all.values.map(halved)
  }
  return all
}

function halved<T>(list: readonly T[]): T[] {
  return list.filter((_, i) => i % 2 === 0 || i === list.length - 1)
}

function finite(value: Value): number | null {
  return typeof value === 'number' ? value : null
}
