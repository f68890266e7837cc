const MARKS = '▁▂▃▄▅▆▇█'

/**
 * Draws values as a line of marks, one for each cell: the last value of its part of the curve, from the least to the
 * greatest of all. A value that is not finite (null) is a `!`. Fewer values than cells take fewer cells.
 */
export function sparkline(values: readonly (number | null)[], cells: number): string {
  const count = Math.min(values.length, Math.max(0, cells))
  const shown = Array.from({ length: count }, (_, i) => values[Math.ceil(((i + 1) * values.length) / count) - 1]!)
  const numbers = shown.filter((value) => value !== null)
  const [least, greatest] = [Math.min(...numbers), Math.max(...numbers)]
  return shown
    .map((value) => {
      if (value === null) return '!'
      const height = greatest > least ? (value - least) / (greatest - least) : 0
      return MARKS[Math.min(MARKS.length - 1, Math.floor(height * MARKS.length))]
    })
    .join('')
}
