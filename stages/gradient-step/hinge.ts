import { hinge as learner } from '../../learners/index.js'
import { gradientStep } from './training.js'

/**
 * Makes one step per batch on the cost `J = mean(Σ_(j ≠ y) max(0, s_j - s_y + 1)) + lambda · Σ W²` for scores
 * `s = W x + b`.
 */
export const hinge = gradientStep({
  name: 'gradient-step/hinge',
  summary: 'Trains a linear classifier with the multi-class hinge loss by mini-batch gradient descent.',
  learner,
  example: '- id: model\n  use: gradient-step/hinge\n  with: { eta: 0.001, lambda: 0.1 }',
})
