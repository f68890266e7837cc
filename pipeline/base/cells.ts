import { hasControls } from './plain-text.js'

/* How wide text is on a terminal, where some characters take two cells and some none. */

/** Characters that take no cell of their own: they join the one before, or are not shown. */
const NONE = /^[\p{M}\p{Cf}\u200b]$/u

/** Characters that take two cells: Chinese, Japanese and Korean ones, full-width forms, and pictures. */
const TWO = new RegExp(
  '^(?:\\p{Emoji_Presentation}|[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff' +
    '\\ufe30-\\ufe6f\\uff01-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18df2}\\u{1b000}-\\u{1b2fb}\\u{1f300}-\\u{1faff}' +
    '\\u{20000}-\\u{3fffd}])$',
  'u',
)

/** Opened at the first text that needs it: it takes longer to open than all else that a command loads before its work. */
let segmenter: Intl.Segmenter | undefined

/** The number of cells that a text takes on a terminal. */
export function cellsOf(text: string): number {
  let cells = 0
  for (const grapheme of graphemesOf(text)) cells += cellsOfOne(grapheme)
  return cells
}

/** The longest beginning of a text that takes at most so many cells. */
export function cutToCells(text: string, cells: number): string {
  if (cells === Number.POSITIVE_INFINITY) return text
  let left = cells
  let length = 0
  for (const grapheme of graphemesOf(text)) {
    left -= cellsOfOne(grapheme)
    if (left < 0) break
    length += grapheme.length
  }
  return text.slice(0, length)
}

/** The longest end of a text that takes at most so many cells. */
export function endInCells(text: string, cells: number): string {
  let left = cells
  let length = 0
  for (const grapheme of [...graphemesOf(text)].reverse()) {
    left -= cellsOfOne(grapheme)
    if (left < 0) break
    length += grapheme.length
  }
  return text.slice(text.length - length)
}

/** The text with spaces at its end, or at its start, so that it takes at least so many cells. */
export function padToCells(text: string, cells: number, side: 'start' | 'end' = 'end'): string {
  const spaces = ' '.repeat(Math.max(0, cells - cellsOf(text)))
  return side === 'end' ? text + spaces : spaces + text
}

/** What a reader takes for one character each: joined pictures, flags, letters with their accents. */
export function graphemesOf(text: string): Iterable<string> {
  // Only printable ASCII needs no segmenter, which is slow.
  if (/^[ -~]*$/.test(text)) return text
  segmenter ??= new Intl.Segmenter()
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

/** A grapheme is as wide as its widest character; with a variation selector, a sign such as ❤ is shown as a picture. */
function cellsOfOne(grapheme: string): number {
  if (grapheme >= ' ' && grapheme <= '~' && grapheme.length === 1) return 1
  let cells = 0
  for (const character of grapheme) {
    // Such a character is spelled out before it reaches a terminal, as `\u001b`.
    if (hasControls(character)) cells += 6
    else if (!NONE.test(character)) cells = Math.max(cells, TWO.test(character) ? 2 : 1)
  }
  return cells === 1 && grapheme.includes('\ufe0f') ? 2 : cells
}
