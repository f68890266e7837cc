import { palette, theme } from '../figures/theme.js'

/*
 * Figures are drawn for white paper, and files of runs stay as they are. In the page they get a style that a dark page
 * switches on: an SVG in an `img` follows the colour scheme of the page.
 */

/** Colours of figures, and what takes their place on a dark page. */
const darkColours = new Map<string, string>([
  [theme.background, '#16181c'],
  [theme.ink, '#e8e6e1'],
  [theme.muted, '#a9a7a1'],
  [theme.rule, '#44484f'],
  [theme.grid, '#2c3138'],
  [theme.dark, '#8ab8f0'],
  [theme.right, '#7fcf9a'],
  [theme.wrong, '#ff9e8a'],
  ['#b3541e', '#f0a070'],
  // The light half of the same palette: the first colour has the largest contrast on a dark page, too, the last 4 : 1.
  ...['#f0f921', '#fbd524', '#fdb42f', '#f89540', '#ed7953', '#dd5e66', '#cc4778'].map(
    (light, i) => [palette[i]!, light] as const,
  ),
])

const rules = [...darkColours]
  .flatMap(([from, to]) => ['fill', 'stroke'].map((kind) => `[${kind}="${from}"]{${kind}:${to}}`))
  .join('')

/** Colours of the cells of a heat map: from almost white to dark. */
const SHADE = /fill="#([0-9a-f]{6})"/g

/**
 * Adds a style to an SVG for dark pages. A heat map is turned around: its cells become the lighter, the larger they are.
 * Images, such as weights and examples, stay as they are, unless they are the cells of a large heat map.
 *
 * @param isHeatmap whether the figure is a matrix
 */
export function withDarkStyle(svg: string, isHeatmap = false): string {
  const known = new Set(darkColours.keys())
  const shades = isHeatmap ? [...new Set([...svg.matchAll(SHADE)].map(([, hex]) => `#${hex}`))] : []
  const cells = shades
    .filter((colour) => !known.has(colour) || colour === theme.dark)
    .map((colour) => `rect[fill="${colour}"]{fill:${turned(colour)}}`)
    .join('')
  const image = isHeatmap ? 'image{filter:invert(1) hue-rotate(180deg)}' : ''
  return svg.replace(
    /<svg [^>]*>/,
    (tag) => `${tag}<style>@media (prefers-color-scheme:dark){${rules}${cells}${image}}</style>`,
  )
}

const LIGHT = [0x8a, 0xb8, 0xf0]
const PAPER = [0x24, 0x29, 0x31]

/** The shade of a cell on a dark page: as far from the page as the cell is from white paper. */
function turned(colour: string): string {
  const end = Number.parseInt(theme.dark.slice(1, 3), 16)
  const weight = Math.min(1, Math.max(0, (244 - Number.parseInt(colour.slice(1, 3), 16)) / (244 - end)))
  const mixed = PAPER.map((from, i) => Math.round(from + (LIGHT[i]! - from) * weight))
  return `#${mixed.map((part) => part.toString(16).padStart(2, '0')).join('')}`
}
