import { defineLearner, rowsPerCall, z } from '../pipeline/stage-kit.js'
import { softmaxCostAround } from './softmax-cost.js'

/**
 * The linear softmax classifier: scores `s = W x + b`, probabilities `p = softmax(s)`, loss `-log p[y]`, penalty
 * `Σ W²`; `b` is not penalised (C. Bishop, Pattern Recognition and Machine Learning, 4.3.4).
 *
 * Arrays: `W` `[classes, features]`, `b` `[classes]`. A kernel computes it as one dense layer with the loss
 * cross-entropy.
 */
export const softmax = defineLearner({
  name: 'softmax',
  summary: 'Linear classifier with cross-entropy.',
  options: z.strictObject({}),
  metrics: [
    { name: 'loss', title: 'loss', unit: 'nats', better: 'lower', value: ([loss], rows) => loss! / rows },
    {
      name: 'cost',
      title: 'cost',
      unit: 'nats',
      better: 'lower',
      value: ([loss], rows, penalty) => loss! / rows + penalty,
    },
    {
      name: 'accuracy',
      title: 'accuracy',
      unit: 'share',
      better: 'higher',
      value: ([, correct], rows) => correct! / rows,
    },
  ],
  scores: 'logits',
  templates: 'W',
  arrays: ({ features, classes }) => [
    { name: 'W', shape: [classes, features], kind: 'weights' },
    { name: 'b', shape: [classes], kind: 'bias' },
  ],
  open: (kernels, { features, classes }) => {
    const network = kernels.network({ features, layers: [{ units: classes }], loss: 'cross-entropy' })
    const sums = ({ loss, correct }: { readonly loss: number; readonly correct: number }) => [loss, correct]
    return {
      rowsPerCall: rowsPerCall(kernels, network),
      read: () => network.read(),
      load: (parameters) => network.load(parameters),
      change: (write) => network.change(write),
      step: (rows, update) => network.step(rows, update),
      accumulate: (rows) => network.accumulate(rows),
      gradient: (lambda, into) => network.gradient(lambda, into),
      evaluate: (rows) => {
        const evaluated = network.evaluate(rows)
        return evaluated instanceof Promise ? evaluated.then(sums) : sums(evaluated)
      },
      penalty: () => network.penalty(),
      scores: (rows, out) => network.scores(rows, out),
      free: () => network.free(),
    }
  },
  costAround: softmaxCostAround,
})
