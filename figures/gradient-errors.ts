import { chart } from './chart.js'
import { colours, dashPatterns } from './theme.js'

/** The largest absolute error of an array's gradient against differences of one width. */
export interface GradientError {
  readonly array: string
  /** `forward` or `centred`. */
  readonly method: string
  readonly h: number
  readonly error: number
}

/**
 * Draws the error of a gradient against the width `h` of the differences it is compared with, both logarithmic: the V
 * whose left arm is rounding and whose right arm is the curvature of the cost. Errors of 0 have no place on it.
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
