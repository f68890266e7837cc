import { chart } from './chart.js'
import { colours, dashPatterns } from './theme.js'

/** The largest absolute error of the gradient of one array, against differences of one width. */
export interface GradientError {
  /** The name of the array. */
  readonly array: string
  /** The kind of the differences: `forward` or `centred`. */
  readonly method: string
  /** The width of the differences. */
  readonly h: number
  /** The largest absolute error. */
  readonly error: number
}

/**
 * Draws the error of a gradient over the width `h` of the differences that it is compared with, as SVG. Both axes are
 * logarithmic. The curve is a V: rounding makes its left arm, the curvature of the cost its right arm. Errors of 0 are
 * left out.
 */
export function gradientErrorsFigure(errors: readonly GradientError[]): Promise<string> {
  const values = errors
    .filter(({ error }) => error > 0)
    .map((each) => ({ ...each, line: `${each.array}, ${each.method}` }))
  const lines = [...new Set(values.map(({ line }) => line))]
  const scale = { type: 'log' }
  const axis = { format: '.0e', tickCount: 6 }
  return chart(
    {
      width: 520,
      height: 320,
      title: 'Error of the gradient against differences',
      data: { values },
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'h', type: 'quantitative', scale, axis, title: 'h' },
        y: { field: 'error', type: 'quantitative', scale, axis, title: 'largest absolute error' },
        color: {
          field: 'line',
          type: 'nominal',
          title: null,
          legend: { symbolType: 'stroke' },
          scale: { domain: lines, range: colours(lines.length) },
        },
        strokeDash: {
          field: 'line',
          type: 'nominal',
          title: null,
          scale: { domain: lines, range: dashPatterns(lines.length) },
        },
      },
    },
    'Error of the gradient against the width of the differences',
  )
}
