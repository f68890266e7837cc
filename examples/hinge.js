import { defineLearner, readRow, rowsPerCall, z } from 'millrace/stage'
import { gradientStep } from 'millrace/stages'

/**
 * A learner of your own: a linear classifier with the multi-class hinge loss, the sum of `max(0, s[k] - s[y] + margin)`
 * over the classes `k ≠ y`, for scores `s = W x + b` (J. Weston, C. Watkins, ESANN 1999).
 */
export const learner = defineLearner({
  name: 'hinge',
  summary: 'Linear classifier with the multi-class hinge loss.',
  options: z.strictObject({ margin: z.number().positive().default(1).describe('By how much the right score leads.') }),
  metrics: [
    { name: 'loss', title: 'hinge loss', better: 'lower', value: ([loss], rows) => loss / rows },
    { name: 'cost', title: 'cost', better: 'lower', value: ([loss], rows, penalty) => loss / rows + penalty },
    { name: 'accuracy', title: 'accuracy', unit: 'share', better: 'higher', value: ([, right], rows) => right / rows },
    { name: 'clear', title: 'clear lead', unit: 'share', better: 'higher', value: ([, , n], rows) => n / rows },
  ],
  scores: 'other',
  templates: 'W',
  arrays: ({ features, classes }) => [
    { name: 'W', shape: [classes, features], kind: 'weights' },
    { name: 'b', shape: [classes], kind: 'bias' },
  ],
  open: (kernels, { features, classes }, { margin }) => {
    const Numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
    const [W, b] = [new Numbers(classes * features), new Numbers(classes)]
    const sums = { W: new Float64Array(W.length), b: new Float64Array(classes), loss: 0, rows: 0 }
    const [x, s] = [new Float64Array(features), new Float64Array(classes)]

    /** Reads row `i` into `x` and its scores into `s`. */
    function forward(rows, i) {
      readRow(rows, i, x)
      for (let k = 0; k < classes; k++) {
        s[k] = b[k]
        for (let j = 0; j < features; j++) s[k] += W[k * features + j] * x[j]
      }
    }

    /** The loss of the scores in `s` for class `y`; `push(k, slope)` gets its derivative by each score. */
    function loss(y, push = () => {}) {
      let sum = 0
      for (let k = 0; k < classes; k++) {
        const excess = k === y ? 0 : s[k] - s[y] + margin
        if (excess <= 0) continue
        sum += excess
        push(k, 1)
        push(y, -1)
      }
      return sum
    }
    return {
      rowsPerCall: rowsPerCall(kernels, { features, classes }),
      read: () => ({ W, b }),
      load: (parameters) => [W.set(parameters.W), b.set(parameters.b)],
      change: (write) => write({ W, b }),
      accumulate: (rows) => {
        for (const [i, y] of rows.labels.entries()) {
          forward(rows, i)
          sums.rows++
          sums.loss += loss(y, (k, slope) => {
            sums.b[k] += slope
            for (let j = 0; j < features; j++) sums.W[k * features + j] += slope * x[j]
          })
        }
      },
      gradient: (lambda, into = { W: new Numbers(W.length), b: new Numbers(classes) }) => {
        for (let i = 0; i < W.length; i++) into.W[i] = sums.W[i] / sums.rows + 2 * lambda * W[i]
        for (let k = 0; k < classes; k++) into.b[k] = sums.b[k] / sums.rows
        const gradient = { arrays: into, loss: sums.loss / sums.rows }
        Object.assign(sums, { W: sums.W.fill(0), b: sums.b.fill(0), loss: 0, rows: 0 })
        return gradient
      },
      evaluate: (rows) => {
        const total = [0, 0, 0]
        for (const [i, y] of rows.labels.entries()) {
          forward(rows, i)
          const own = loss(y)
          total[0] += own
          total[1] += s.indexOf(Math.max(...s)) === y
          total[2] += own === 0
        }
        return total
      },
      penalty: () => W.reduce((sum, w) => sum + w * w, 0),
      scores: (rows, out) => {
        for (let i = 0; i < rows.labels.length; i++) [forward(rows, i), out.set(s, i * classes)]
      },
      free: () => {},
    }
  },
})

/** The stage that trains it: `use: ./hinge.js`. */
export const hinge = gradientStep({
  name: 'gradient-step/hinge',
  summary: 'Trains a linear classifier with the hinge loss.',
  learner,
  example: '- id: model\n  use: ./hinge.js\n  with: { eta: 0.01, lambda: 0.0005, margin: 1 }',
})
