import { chart } from './chart.js'
import { theme } from './theme.js'

/** A bar of a bar chart. */
export interface Bar {
  /** The panel that the bar belongs to. */
  readonly group: string
  /** The label beside the bar. */
  readonly name: string
  /** The length of the bar. */
  readonly value: number
}

/**
 * Draws horizontal bars as SVG, a panel for each group. Bars are in the order given, from the top; negative values go
 * to the left.
 *
 * @param options a title, and the number of panels side by side (default: all, at most 5)
 */
export async function barsFigure(
  bars: readonly Bar[],
  options: { title?: string; columns?: number } = {},
): Promise<string> {
  const groups = [...new Set(bars.map(({ group }) => group))]
  const spec = {
    ...(options.title && { title: { text: options.title, fontSize: theme.sizes.title, offset: 12 } }),
    data: { values: bars.map((bar) => ({ ...bar, sign: bar.value < 0 ? 'negative' : 'positive' })) },
    facet: { field: 'group', type: 'nominal', sort: groups, title: null },
    columns: options.columns ?? Math.min(groups.length, 5),
    spacing: { row: 20, column: 24 },
    resolve: { scale: { y: 'independent' } },
    spec: {
      width: 130,
      height: { step: 16 },
      mark: { type: 'bar', height: 11 },
      encoding: {
        x: { field: 'value', type: 'quantitative', title: null, axis: { tickCount: 3 } },
        y: { field: 'name', type: 'nominal', sort: null, title: null, axis: { ticks: false, domain: false } },
        color: {
          field: 'sign',
          type: 'nominal',
          scale: { domain: ['negative', 'positive'], range: ['#b3541e', theme.dark] },
          legend: null,
        },
      },
    },
  }
  return chart(spec, options.title ?? 'Bars')
}
