import { arraysOfNetwork, defineLearner, type LearnerData, type NetworkShape, z } from '../pipeline/stage-kit.js'
import { lossAndAccuracy } from './metrics.js'
import { openNetwork } from './open-network.js'
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
  metrics: lossAndAccuracy('nats'),
  scores: 'logits',
  weighsRows: true,
  templates: 'W',
  arrays: (data) => arraysOfNetwork(shapeOf(data)),
  network: shapeOf,
  open: (kernels, data) => openNetwork(kernels, shapeOf(data)),
  costAround: softmaxCostAround,
})

function shapeOf({ features, classes, weighted }: LearnerData): NetworkShape {
  return { features, layers: [{ units: classes }], loss: 'cross-entropy', weighted }
}
