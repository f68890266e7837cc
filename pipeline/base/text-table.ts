import { cellsOf, padToCells } from './cells.js'
import { largest } from './largest.js'

/**
 * Lays out rows of cells in columns for a text: two spaces apart, each as wide as its widest text on a terminal, where some
 * characters take two cells. A column is aligned
 * to the right if `isNumeric` says so, else to the left. Returns one line per row, without spaces at the end. Every row
 * has as many cells as the first.
 */
export function textColumns(
  rows: readonly (readonly string[])[],
  isNumeric: (column: number) => boolean = () => false,
): string[] {
  const widths = (rows[0] ?? []).map((_, i) => largest(rows.map((row) => cellsOf(row[i]!))))
  return rows.map((row) =>
    row
      .map((cell, i) => (isNumeric(i) ? padToCells(cell, widths[i]!, 'start') : padToCells(cell, widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}
