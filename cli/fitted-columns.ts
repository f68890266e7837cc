import { cellsOf, endInCells } from '../pipeline/base/cells.js'
import { largest } from '../pipeline/base/largest.js'
import { textColumns } from '../pipeline/base/text-table.js'

/** A column of a table that shall fit the width of a terminal. */
export interface FittedColumn {
  /** The higher, the sooner the column is left out if the width is too small. The column of rank 0 always stays. */
  readonly rank: number
  /** Whether it is aligned at the right. */
  readonly isNumeric: boolean
  /** Its cells, the title first. */
  readonly cells: readonly string[]
}

/** A cell is cut to this width before a column is left out. */
const LEAST = 14

/**
 * Lays out columns in lines of at most `width` cells of a terminal. If they are too wide, long texts are cut, and then columns
 * are left out. Undefined: any width.
 */
export function fittedColumns(columns: readonly FittedColumn[], width: number | undefined): string[] {
  let shown = columns
  const widthOf = ({ cells }: FittedColumn): number => largest(cells.map(cellsOf))
  const total = (): number => shown.reduce((sum, column) => sum + widthOf(column) + 2, -2)
  for (let limit = width; limit !== undefined && total() > limit; ) {
    const excess = total() - limit
    const longest = shown.filter(({ isNumeric }) => !isNumeric).sort((a, b) => widthOf(b) - widthOf(a))[0]
    const cut = longest && Math.max(LEAST, widthOf(longest) - excess)
    if (longest && widthOf(longest) > LEAST)
      shown = shown.map((column) =>
        column === longest ? { ...column, cells: column.cells.map((cell) => cutTo(cell, cut!)) } : column,
      )
    else if (shown.length > 1) {
      const least = shown.reduce((a, b) => (b.rank > a.rank ? b : a))
      shown = shown.filter((column) => column !== least)
    } else limit = undefined
  }
  const rows = columns[0]!.cells.map((_, row) => shown.map(({ cells }) => cells[row]!))
  return textColumns(rows, (i) => shown[i]!.isNumeric)
}

/** Cuts a text. Its end stays, because names of directories differ there. */
function cutTo(text: string, width: number): string {
  return cellsOf(text) <= width ? text : `…${endInCells(text, width - 1)}`
}
