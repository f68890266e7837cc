import { dataUrl } from './pixels.js'
import { image, rectangle, text } from './svg.js'
import { theme } from './theme.js'

/** A matrix to shade: `shares` row-major, `[rows, columns]`, 0 … 1. */
export interface Heatmap {
  readonly rows: number
  readonly columns: number
  readonly shares: ArrayLike<number>
  /** What stands in a cell. */
  readonly textOf?: (row: number, column: number) => string
}

/** Above this many cells they are drawn as one image: a rectangle for each would make a file of megabytes. */
const RECTANGLES = 2500

/** The cells of a matrix, from white to dark, at a place of a drawing; `cell` is their size. */
export async function heatmap(matrix: Heatmap, x: number, y: number, cell: number): Promise<string> {
  const { rows, columns, shares, textOf } = matrix
  if (rows * columns > RECTANGLES) {
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
      const words = textOf?.(row, column)
      if (!words) continue
      const size = Math.min(theme.sizes.text, cell / 3, (1.45 * cell) / Math.max(1, words.length))
      const fill = share > 0.45 ? theme.background : theme.ink
      parts.push(
        text(left + (cell - 1) / 2, top + (cell - 1) / 2 + size / 2.8, words, { size, anchor: 'middle', fill }),
      )
    }
  return parts.join('\n')
}

const dark = [1, 3, 5].map((at) => Number.parseInt(theme.dark.slice(at, at + 2), 16))

/** From almost white to the dark end: small shares show a little more than their size. */
function shade(share: number): number[] {
  const weight = (Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0) ** 0.7
  return dark.map((end) => Math.round(244 + (end - 244) * weight))
}

function hex(colour: readonly number[]): string {
  return `#${colour.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}
