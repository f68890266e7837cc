import { plainText } from '../pipeline/base/plain-text.js'
import { theme } from './theme.js'

/** Escapes text for XML. */
export function escapeXml(text: string): string {
  return plainXml(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/**
 * Spells out control characters, which XML does not allow, and characters that change the direction of writing. Removes
 * the other characters that XML does not allow.
 */
export function plainXml(text: string): string {
  return plainText(text).replaceAll(/[\ufffe\uffff]/g, '')
}

/** How to draw a line of text. */
interface TextOptions {
  /** Font size in pixels. */
  readonly size?: number
  /** The part of the text that is at `x`. */
  readonly anchor?: 'start' | 'middle' | 'end'
  /** The colour. */
  readonly fill?: string
  /** Whether the text is bold. */
  readonly bold?: boolean
  /** Rotation about the point, in degrees, clockwise. */
  readonly rotate?: number
}

/** Draws a line of text. @param y the baseline */
export function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { size = theme.sizes.text, anchor = 'start', fill = theme.ink, bold = false, rotate = 0 } = options
  const attributes = [
    `x="${number(x)}" y="${number(y)}" font-size="${size}" fill="${fill}"`,
    ...(anchor === 'start' ? [] : [`text-anchor="${anchor}"`]),
    ...(bold ? ['font-weight="bold"'] : []),
    ...(rotate === 0 ? [] : [`transform="rotate(${rotate} ${number(x)} ${number(y)})"`]),
  ]
  return `<text ${attributes.join(' ')}>${escapeXml(content)}</text>`
}

/** Draws a filled rectangle. */
export function rectangle(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}" fill="${fill}"/>`
}

/**
 * Draws an image without smoothing, so that it stays sharp if it is enlarged.
 *
 * @param url of the image, for example a data URL
 * @param label the title of the image
 */
export function image(x: number, y: number, width: number, height: number, url: string, label = ''): string {
  const place = `x="${number(x)}" y="${number(y)}" width="${number(width)}" height="${number(height)}"`
  const title = label && `<title>${escapeXml(label)}</title>`
  const rendering = 'image-rendering="optimizeSpeed" preserveAspectRatio="none"'
  return `<image ${place} ${rendering} xlink:href="${url}">${title}</image>`
}

/**
 * Makes an SVG document with a white background of its parts.
 *
 * @param description text for readers who cannot see the figure
 */
export function drawing(width: number, height: number, description: string, parts: readonly string[]): string {
  const [w, h] = [Math.ceil(width), Math.ceil(height)]
  const namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
  const size = `width="${w}" height="${h}" viewBox="0 0 ${w} ${h}"`
  return [
    `<svg ${namespaces} ${size} font-family="${theme.font}" role="img" aria-label="${escapeXml(description)}">`,
    // Browsers smooth an image with `optimizeSpeed`, the PNG renderer one with `pixelated`. The renderer does not read
    // what is inside of `@supports`.
    ...(parts.some((part) => part.startsWith('<image'))
      ? ['<style>@supports (image-rendering:pixelated){image{image-rendering:pixelated}}</style>']
      : []),
    rectangle(0, 0, w, h, theme.background),
    ...parts,
    '</svg>\n',
  ].join('\n')
}

/** Formats a number with at most two decimals. */
function number(value: number): string {
  return String(Math.round(value * 100) / 100)
}
