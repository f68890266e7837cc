import { createHash } from 'node:crypto'
import type { TopLevelSpec } from 'vega-lite'
import { escaped } from './svg.js'
import { theme } from './theme.js'

/** A Vega-Lite specification, but for what all charts share. */
export type ChartSpec = Readonly<Record<string, unknown>>

/**
 * Draws a Vega-Lite chart as SVG, in the style of the theme. Loads Vega when it is called, not before.
 *
 * @param description what a reader who cannot see it is told
 */
export async function chart(spec: ChartSpec, description = 'Chart'): Promise<string> {
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')])
  const whole = { background: theme.background, padding: 16, config, ...spec } as unknown as TopLevelSpec
  const logger = vega.logger(vega.Error)
  const view = new vega.View(vega.parse(compile(whole, { logger: logger as never }).spec), { renderer: 'none', logger })
  const svg = await view.toSVG()
  view.finalize()
  // The whole is one image to a screen reader: what its parts are need not be said.
  const described = svg
    .replaceAll(/ (?:role|aria-[a-z]+)="[^"]*"(?=[^<>]*>)/g, '')
    .replace('<svg ', `<svg role="img" aria-label="${escaped(description)}" `)
  return `${ownIds(described)}\n`
}

/**
 * Vega numbers the ids of clips and gradients through the life of the process. Here they are numbered from 0 and carry
 * a digest of the figure, so that the same figure is the same text and two of them can stand in one page.
 */
function ownIds(svg: string): string {
  const ids = [...svg.matchAll(/ id="([^"]+)"/g)].map((match) => match[1]!)
  if (ids.length === 0) return svg
  const numbered = ids.reduce((text, id, i) => renamed(text, id, `~${i}`), svg)
  const digest = createHash('sha256').update(numbered).digest('hex').slice(0, 8)
  return ids.reduce((text, _, i) => renamed(text, `~${i}`, `f${digest}-${i}`), numbered)
}

function renamed(svg: string, id: string, name: string): string {
  return svg.replaceAll(` id="${id}"`, ` id="${name}"`).replaceAll(`url(#${id})`, `url(#${name})`)
}

const label = { labelFontSize: theme.sizes.text, labelColor: theme.ink, titleFontSize: theme.sizes.text }

const config = {
  // Said once for the whole chart, not for every point of it.
  aria: false,
  font: theme.font.replaceAll("'", ''),
  axis: {
    ...label,
    titleColor: theme.muted,
    titleFontWeight: 'normal',
    titlePadding: 6,
    gridColor: theme.grid,
    domainColor: theme.muted,
    tickColor: theme.muted,
    labelPadding: 4,
    tickSize: 4,
  },
  header: { ...label, labelFontWeight: 'bold', titleColor: theme.ink },
  legend: {
    ...label,
    titleColor: theme.ink,
    symbolSize: 400,
    symbolStrokeWidth: 2.2,
    columnPadding: 18,
    rowPadding: 4,
    // One legend under the other: side by side they would be wider than the chart.
    layout: { top: { anchor: 'start', direction: 'vertical', margin: 6 } },
  },
  line: { strokeWidth: 1.8, strokeCap: 'butt', strokeJoin: 'round' },
  title: {
    fontSize: theme.sizes.heading,
    color: theme.ink,
    anchor: 'start',
    frame: 'group',
    fontWeight: 'bold',
    offset: 8,
  },
  view: { stroke: null },
}
