import { softmax as learner } from '../../learners/index.js'
import { gradientStep } from './training.js'

/**
 * Trains a softmax classifier, one step of gradient descent per batch: for `p = softmax(W x + b)` the cost is
 * `J = mean(-log p[y]) + lambda · Σ W²` and a step is `W -= eta · ∂J/∂W`, `b -= eta · ∂J/∂b`.
 */
export const softmax = gradientStep({
  name: 'gradient-step/softmax',
  summary: 'Trains a softmax classifier by mini-batch gradient descent.',
  learner,
  example: '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.001, lambda: 0.1, init: { normal: 0.01 } }',
})
