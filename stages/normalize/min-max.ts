import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { fit, fitted, fittedFacts } from './fitted.js'

/**
 * Maps the range of each feature on the `fit` split to 0 … 1: `(x - min) / (max - min)`. Constant features become 0.
 */
export const minMax = defineStage({
  name: 'normalize/min-max',
  summary: 'Maps the range of each feature on the fit split to 0 … 1.',
  options: z.strictObject({ fit }),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '- use: normalize/min-max\n  with: { fit: train }',
  holds: 'all tables until the last has come',
  parallel: 'every',
  facts: fittedFacts,
  run: (options, context) =>
    fitted(options.fit, context, ({ min, max }) => ({
      mean: min,
      scale: max.map((high, j) => (high === min[j] ? 0 : 1 / (high - min[j]!))),
    })),
})
