/** How all figures look: one font, one scale of greys, colours that keep their order when printed in grey. */
export const theme = {
  /** The bundled font, then one with the same widths: what the PNG shows, and what a browser is likely to have. */
  font: "'DejaVu Sans', Verdana, sans-serif",
  background: '#ffffff',
  ink: '#1c1c1c',
  muted: '#5c5c5c',
  rule: '#cfcfcf',
  grid: '#e9e9e9',
  /** The dark end of shadings. */
  dark: '#14284b',
  right: '#2c6e49',
  wrong: '#a3301c',
  sizes: { title: 15, heading: 12, text: 11, small: 9 },
} as const

/** From dark to light, so that their order survives in grey; each has at least 3 : 1 contrast on white. */
const palette = ['#14284b', '#5b1f5e', '#8f2a2a', '#b3541e', '#4b7f52', '#7a73c4', '#2f95ad']
const dashes = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [10, 4],
  [4, 2, 1, 2, 1, 2],
]

/** `count` colours as far apart as the palette allows; they repeat where it ends. */
export function colours(count: number): string[] {
  const last = palette.length - 1
  return Array.from(
    { length: count },
    (_, i) => palette[count === 1 ? 0 : count <= last + 1 ? Math.round((i * last) / (count - 1)) : i % palette.length]!,
  )
}

/** `count` dash patterns, the first a solid line; they repeat where the list ends. */
export function dashPatterns(count: number): number[][] {
  return Array.from({ length: count }, (_, i) => dashes[i % dashes.length]!)
}

const narrow = /[iljtfrI.,:;'|!()[\] \-1]/
const wide = /[mwMW%@—…→]/

/** Width of a text in pixels, near enough to lay out by: the average widths of the bundled font, a little generous. */
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

/** The text, or as much of its beginning as fits. */
export function fitted(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text
  const characters = [...text]
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size) > width) characters.pop()
  return `${characters.join('').trimEnd()}…`
}
