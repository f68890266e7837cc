/** The style of all figures: one font, one scale of greys, colours that keep their order when printed in grey. */
export const theme = {
  /** The bundled font, which PNGs use, then one with the same widths, which most browsers have. */
  font: "'DejaVu Sans', Verdana, sans-serif",
  /** The background of figures. */
  background: '#ffffff',
  /** Text and points. */
  ink: '#1c1c1c',
  /** Less important text, and axes. */
  muted: '#5c5c5c',
  /** Lines between parts. */
  rule: '#cfcfcf',
  /** Lines of a grid. */
  grid: '#e9e9e9',
  /** The dark end of shades. */
  dark: '#14284b',
  /** What is right: a correct prediction. */
  right: '#2c6e49',
  /** What is wrong: a wrong prediction. */
  wrong: '#a3301c',
  /** Font sizes in pixels. */
  sizes: { title: 15, heading: 12, text: 11, small: 9 },
} as const

/**
 * The dark part of the palette plasma (S. van der Walt and N. Smith, matplotlib, 2015): even steps of lightness, so that
 * readers with any kind of colour vision, and in grey, can tell the colours apart. Each has a contrast of at least
 * 3 : 1 on white.
 */
export const palette = ['#0d0887', '#41049d', '#6a00a8', '#8f0da4', '#b12a90', '#cc4778', '#e16462'] as const
const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [10, 4],
  [4, 2, 1, 2, 1, 2],
]

/** Returns `count` colours, as far apart as the palette allows. More colours than it has repeat. */
export function colours(count: number): string[] {
  const last = palette.length - 1
  return Array.from(
    { length: count },
    (_, i) => palette[count === 1 ? 0 : count <= last + 1 ? Math.round((i * last) / (count - 1)) : i % palette.length]!,
  )
}

/** Returns `count` dash patterns, the first for a solid line. More patterns than there are repeat. */
export function dashPatterns(count: number): number[][] {
  return Array.from({ length: count }, (_, i) => dashes[i % dashes.length]!)
}

const narrow = /[iljtfrI.,:;'|!()[\] \-1]/
const wide = /[mwMW%@—…→]/

/**
 * Estimates the width of a text in pixels, from the average widths of the bundled font; a little too large on purpose.
 */
export function textWidth(text: string, size: number): number {
  let width = 0
  for (const character of text) {
    if (character > '\u2e7f') width += 1
    else if (wide.test(character)) width += 0.98
    else if (narrow.test(character)) width += 0.4
    else width += character !== character.toLowerCase() ? 0.72 : 0.63
  }
  return width * size
}

/** Cuts a text to a width in pixels. */
export function truncateText(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text
  const characters = [...text]
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size) > width) characters.pop()
  return `${characters.join('').trimEnd()}…`
}
