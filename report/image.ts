import { withDarkStyle } from './dark-figure.js'
import { type Html, html } from './html.js'
import type { Figure } from './stored-figures.js'

/** An image element. In it, an SVG can neither run scripts nor fetch anything. */
export function image({ type, bytes, name }: Figure, alt: string): Html {
  const url =
    type === 'image/svg+xml'
      ? svgText(withDarkStyle(String(bytes), name === 'confusion'))
      : `data:${type};base64,${bytes.toString('base64')}`
  return html`<img src="${url}" alt="${alt}" loading="lazy">`
}

/** The data URL of an SVG as text, which is shorter than base64 and can be searched. */
function svgText(svg: string): string {
  return `data:image/svg+xml;charset=utf-8,${svg.trim().replace(/[%#<>"\t\r\n]/g, encodeURIComponent)}`
}

/** The data URL of an SVG in which there are no blanks, as `srcset` wants it. It has a style for dark pages. */
export function svgData(svg: string, isHeatmap: boolean): string {
  return `data:image/svg+xml;base64,${Buffer.from(withDarkStyle(svg, isHeatmap)).toString('base64')}`
}
