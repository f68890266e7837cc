import { arraysOfNetwork, defineLearner, type LearnerData, type NetworkShape, z } from '../pipeline/stage-kit.js'
import { lossAndAccuracy } from './metrics.js'
import { costOfNetwork } from './network-cost.js'
import { openNetwork } from './open-network.js'

/**
 * The linear classifier with the multi-class hinge loss (a support vector machine): scores `s = W x + b`, loss
 * `Σ_(j ≠ y) max(0, s_j - s_y + 1)`, penalty `Σ W²` (J. Weston, C. Watkins, ESANN 1999).
 *
 * Arrays: `W` `[classes, features]`, `b` `[classes]`.
 */
export const hinge = defineLearner({
  name: 'hinge',
  summary: 'Linear classifier with the multi-class hinge loss.',
  options: z.strictObject({}),
  metrics: lossAndAccuracy(),
  scores: 'other',
  weighsRows: true,
  templates: 'W',
  arrays: (data) => arraysOfNetwork(shapeOf(data)),
  network: shapeOf,
  open: (kernels, data) => openNetwork(kernels, shapeOf(data)),
  costAround: costOfNetwork(shapeOf),
})

function shapeOf({ features, classes, weighted }: LearnerData): NetworkShape {
  return { features, layers: [{ units: classes }], loss: 'hinge', weighted }
}
