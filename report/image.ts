import { type Html, html } from './html.js'
import type { Figure } from './read.js'

/** An image element. In it, an SVG can neither run scripts nor fetch anything. */
export function image({ type, bytes }: Figure, alt: string): Html {
  return html`<img src="data:${type};base64,${bytes.toString('base64')}" alt="${alt}" loading="lazy">`
}

/** The data URL of an SVG. */
export function svgData(svg: string): string {
  return `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`
}
