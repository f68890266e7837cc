import { createHash } from 'node:crypto'
import type { TopLevelSpec } from 'vega-lite'
import { escapeXml, plainXml } from './svg.js'
import { theme } from './theme.js'

/** A Vega-Lite specification, without the style that all charts share. */
export type ChartSpec = Readonly<Record<string, unknown>>

/** Loads Vega. */
export async function loadCharts(): Promise<void> {
  await packages()
}

// Not exported: a program that uses Millrace need not read the types of Vega.
function packages() {
  return Promise.all([import('vega'), import('vega-lite')])
}

/**
 * Draws a Vega-Lite chart as SVG, in the style of the theme. Vega is loaded by the first call.
 *
 * @param description text for readers who cannot see the figure
 */
export async function chart(spec: ChartSpec, description = 'Chart'): Promise<string> {
  const [vega, { compile }] = await packages()
  const whole = { background: theme.background, padding: 16, config, ...spec } as unknown as TopLevelSpec
  const logger = vega.logger(vega.Error)
  const view = new vega.View(vega.parse(compile(whole, { logger: logger as never }).spec), { renderer: 'none', logger })
  const svg = await view.toSVG()
  view.finalize()
  // Vega does not know which characters XML allows, so `plainXml` comes first. A screen reader shall take the chart for one
  // image, so the descriptions of its parts are removed.
  const svgImage = plainXml(svg)
    .replaceAll(/ (?:role|aria-[a-z]+)="[^"]*"(?=[^<>]*>)/g, '')
    .replace('<svg ', () => `<svg role="img" aria-label="${escapeXml(description)}" `)
  return `${stableIds(svgImage)}\n`
}

/**
 * Gives the clips and gradients ids that depend on the figure alone. Vega counts them up while the process lives. Here
 * they count from 0 and carry a digest of the figure, so that the same figure is the same text, and two figures in one
 * page do not share an id.
 */
function stableIds(svg: string): string {
  const found = new Set([...svg.matchAll(ID)].flatMap(({ groups }) => groups!.id ?? []))
  const ids = new Map([...found].map((id, i) => [id, i]))
  if (ids.size === 0) return svg
  const withIds = (nameOf: (i: number) => string): string =>
    svg.replace(ID, (found, ...rest) => {
      const { id = '', target = '' } = rest.at(-1) as { id?: string; target?: string }
      const i = ids.get(id || target)
      if (i === undefined) return found
      return id ? ` id="${nameOf(i)}"` : `url(#${nameOf(i)})`
    })
  const digest = createHash('sha256')
    .update(withIds((i) => `~${i}`))
    .digest('hex')
    .slice(0, 8)
  return withIds((i) => `f${digest}-${i}`)
}

/** An id, or a reference to one, in a tag of an SVG. In text between tags it is only text. */
const ID = /(?: id="(?<id>[^"]+)"|url\(#(?<target>[^()]+)\))(?=[^<>]*>)/g

const label = { labelFontSize: theme.sizes.text, labelColor: theme.ink, titleFontSize: theme.sizes.text }

const config = {
  // Without this, Vega describes every point of the chart.
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
    // One legend below the other: side by side they are wider than the chart.
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
