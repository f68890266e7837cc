import { theme } from './theme.js'

/** Text as it may stand in XML; characters that XML does not have are left out. */
export function escaped(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no way to write these
      .replaceAll(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  )
}

export interface TextOptions {
  readonly size?: number
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly fill?: string
  readonly bold?: boolean
  /** Degrees, clockwise, about the point. */
  readonly rotate?: number
}

/** A line of text; `y` is its baseline. */
export function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size = theme.sizes.text, anchor = 'start', fill = theme.ink, bold = false, rotate = 0 } = options
  const attributes = [
    `x="${number(x)}" y="${number(y)}" font-size="${size}" fill="${fill}"`,
    ...(anchor === 'start' ? [] : [`text-anchor="${anchor}"`]),
    ...(bold ? ['font-weight="bold"'] : []),
    ...(rotate === 0 ? [] : [`transform="rotate(${rotate} ${number(x)} ${number(y)})"`]),
  ]
  return `<text ${attributes.join(' ')}>${escaped(content)}</text>`
}

export function rectangle(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${fill}"/>`
}

/** A PNG of its own size, shown in whole pixels: enlarged it stays sharp. */
export function image(x: number, y: number, width: number, height: number, url: string, label = ''): string {
  const place = `x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"`
  const title = label && `<title>${escaped(label)}</title>`
  return `<image ${place} image-rendering="optimizeSpeed" preserveAspectRatio="none" xlink:href="${url}">${title}</image>`
}

/** A whole document on a white ground; `description` is what a reader who cannot see it is told. */
export function drawing(width: number, height: number, description: string, parts: readonly string[]): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${theme.font}" role="img" aria-label="${escaped(description)}">`,
    // Browsers smooth by `optimizeSpeed`, the PNG renderer by `pixelated`, which it does not read inside of `@supports`.
    ...(parts.some((part) => part.startsWith('<image'))
      ? ['<style>@supports (image-rendering:pixelated){image{image-rendering:pixelated}}</style>']
      : []),
    rectangle(0, 0, w, h, theme.background),
    ...parts,
    '</svg>\n',
  ].join('\n')
}

/** At most two digits behind the point. */
function number(value: number): string {
  return String(Math.round(value * 100) / 100)
}
