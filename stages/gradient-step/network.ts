import { network as learner } from '../../learners/index.js'
import { gradientStep } from './training.js'

/**
 * Makes one step per batch on the cost of a network: the mean cross-entropy or hinge loss plus `lambda · Σ W²` over all
 * layers.
 */
export const network = gradientStep({
  name: 'gradient-step/network',
  summary: 'Trains a network of dense layers by mini-batch gradient descent.',
  learner,
  example:
    '- id: model\n  use: gradient-step/network\n' +
    '  with: { hidden: [50, 50], batchNorm: true, init: he, eta: 0.01, lambda: 0.005, update: { momentum: 0.9 } }',
})
