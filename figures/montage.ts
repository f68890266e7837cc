import { largest } from '../pipeline/base/largest.js'
import { dataUrl, type Pixels } from './pixels.js'
import { drawing, image, text } from './svg.js'
import { textWidth, theme, truncateText } from './theme.js'

/** An image of a montage. */
export interface Tile {
  /** The image. */
  readonly image: Pixels
  /** Lines below the image. Long lines are cut; the title of the image has them whole. */
  readonly caption?: readonly string[]
}

/** A row of a montage. */
export interface TileRow {
  /** Text above the row. */
  readonly heading?: string
  /** Text to the left of the row. */
  readonly label?: string
  /** The images, from the left. */
  readonly tiles: readonly Tile[]
}

/** How to draw a montage. */
export interface MontageOptions {
  /** The title above the figure. */
  readonly title?: string
  /** A line below the title. */
  readonly subtitle?: string
  /** The least width of a tile in pixels. Tiles are enlarged by a whole number. Default: 96. */
  readonly tileWidth?: number
  /** Names above the columns. */
  readonly columns?: readonly string[]
}

const MARGIN = 20
const GAP = 12
const LINE = 14

/** Draws images in a grid as SVG, enlarged without smoothing, with captions. */
export async function montageFigure(rows: readonly TileRow[], options: MontageOptions = {}): Promise<string> {
  const { title, subtitle, columns = [], tileWidth = 96 } = options
  const tiles = rows.flatMap((row) => row.tiles)
  const widest = largest(
    tiles.map(({ image }) => image.width),
    1,
  )
  const tallest = largest(
    tiles.map(({ image }) => image.height),
    1,
  )
  const zoom = Math.max(1, Math.ceil(tileWidth / widest))
  const [width, height] = [widest * zoom, tallest * zoom]
  const gap = tiles.some(({ caption }) => caption) ? GAP : GAP / 3
  const left = MARGIN + labelWidth(rows)
  const across = largest(
    rows.map((row) => row.tiles.length),
    1,
  )
  const { sizes, muted } = theme

  const parts: string[] = []
  let y = MARGIN
  if (title) {
    y += sizes.title
    parts.push(text(MARGIN, y - 2, title, { size: sizes.title, bold: true }))
  }
  if (subtitle) {
    y += 18
    parts.push(text(MARGIN, y, subtitle, { fill: muted }))
  }
  if (title || subtitle) y += 14
  if (columns.length > 0) {
    y += LINE
    for (const [i, name] of columns.entries()) {
      const x = left + i * (width + gap) + width / 2
      parts.push(text(x, y - 4, truncateText(name, width + gap - 2, sizes.text), { anchor: 'middle' }))
    }
  }
  for (const row of rows) {
    if (row.heading) {
      y += LINE + 4
      parts.push(text(MARGIN, y, row.heading, { size: sizes.heading, bold: true }))
      y += 8
    }
    if (row.label) parts.push(text(left - 8, y + height / 2 + 4, row.label, { anchor: 'end' }))
    const lines = largest(row.tiles.map(({ caption = [] }) => caption.length))
    for (const [i, tile] of row.tiles.entries()) {
      const x = left + i * (width + gap)
      const caption = tile.caption ?? []
      const [w, h] = [tile.image.width * zoom, tile.image.height * zoom]
      parts.push(image(x, y, w, h, await dataUrl(tile.image), caption.join(', ')))
      for (const [line, content] of caption.entries()) {
        const shown = truncateText(content, width + gap - 4, sizes.text)
        const fill = line === 0 ? theme.ink : muted
        parts.push(text(x + width / 2, y + height + LINE * (line + 1) - 1, shown, { anchor: 'middle', fill }))
      }
    }
    y += height + lines * LINE + gap
  }
  const words = Math.max(textWidth(title ?? '', sizes.title * 1.1), textWidth(subtitle ?? '', sizes.text))
  const grid = left - MARGIN + across * (width + gap) - gap
  return drawing(2 * MARGIN + Math.max(grid, words), y - gap + MARGIN, title ?? 'Images', parts)
}

/** Divides tiles into rows of `columns` tiles. The first row gets the heading. */
export function inRows(tiles: readonly Tile[], columns: number, heading?: string): TileRow[] {
  return Array.from({ length: Math.ceil(tiles.length / columns) }, (_, i) => ({
    tiles: tiles.slice(i * columns, (i + 1) * columns),
    ...(i === 0 && heading !== undefined && { heading }),
  }))
}

function labelWidth(rows: readonly TileRow[]): number {
  const widths = rows.map(({ label }) => (label ? textWidth(label, theme.sizes.text) + 10 : 0))
  return largest(widths)
}
