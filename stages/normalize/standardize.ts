import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { fit, fitted, fittedFacts } from './fitted.js'

/**
 * Standardises each feature: subtracts its mean and divides by its population standard deviation (divided by n). Both
 * are computed on the `fit` split, so that nothing of the other splits leaks into training. A feature that is constant
 * there becomes 0.
 *
 * uint8 rows stay uint8: the tables carry the map as metadata, and a kernel folds it into the weights.
 */
export const standardize = defineStage({
  name: 'normalize/standardize',
  summary: 'Gives each feature mean 0 and standard deviation 1 on the split it is fitted on.',
  options: z.strictObject({ fit }),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '- use: normalize/standardize\n  with: { fit: train }',
  holds: 'all tables until the last has come',
  parallel: 'every',
  facts: fittedFacts,
  run: (options, context) =>
    fitted(options.fit, context, ({ mean, deviation }) => ({
      mean,
      scale: deviation.map((sigma) => (sigma === 0 ? 0 : 1 / sigma)),
    })),
})
