import { dataUrl } from './pixels.js'
import { image, rectangle, text } from './svg.js'
import { theme } from './theme.js'

/** A matrix to shade. */
interface Heatmap {
  /** The number of rows. */
  readonly rows: number
  /** The number of columns. */
  readonly columns: number
  /** The shades, row-major `[rows, columns]`, from 0 (almost white) to 1 (dark). */
  readonly shares: ArrayLike<number>
  /** The text in a cell. */
  readonly textOf?: (row: number, column: number) => string
}

/** Above this number of cells, the matrix is drawn as one image: rectangles would take megabytes. */
const MAX_RECTANGLES = 2500

/**
 * Draws a matrix as a part of an SVG, each cell from white to dark.
 *
 * @param x the left edge in pixels
 * @param y the top edge in pixels
 * @param cell width and height of a cell in pixels
 */
export async function heatmap(matrix: Heatmap, x: number, y: number, cell: number): Promise<string> {
  const { rows, columns, shares, textOf } = matrix
  if (rows * columns > MAX_RECTANGLES) {
    const data = new Uint8Array(3 * rows * columns)
    for (let i = 0; i < rows * columns; i++) data.set(shade(shares[i]!), 3 * i)
    const url = await dataUrl({ width: columns, height: rows, channels: 3, data })
    return image(x, y, columns * cell, rows * cell, url)
  }
  const parts: string[] = []
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const share = shares[row * columns + column]!
      const [left, top] = [x + column * cell, y + row * cell]
      parts.push(rectangle(left, top, cell - 1, cell - 1, hex(shade(share))))
      const content = textOf?.(row, column)
      if (!content) continue
      const size = Math.min(theme.sizes.text, cell / 3, (1.45 * cell) / Math.max(1, content.length))
      const fill = share > 0.45 ? theme.background : theme.ink
      parts.push(
        text(left + (cell - 1) / 2, top + (cell - 1) / 2 + size / 2.8, content, { size, anchor: 'middle', fill }),
      )
    }
  return parts.join('\n')
}

const dark = [1, 3, 5].map((at) => Number.parseInt(theme.dark.slice(at, at + 2), 16))

/** The colour of a share, from almost white to dark. The exponent below 1 makes small shares visible. */
function shade(share: number): number[] {
  const weight = (Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0) ** 0.7
  return dark.map((end) => Math.round(244 + (end - 244) * weight))
}

function hex(colour: readonly number[]): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}
