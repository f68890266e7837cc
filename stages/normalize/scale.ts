import { z } from 'zod'
import { composed, defineStage, layoutOf, widthOf, wire } from '../../pipeline/stage-kit.js'
import { standardised } from './affine.js'

/** Applies `(x - subtract) / divideBy` to every feature. Nothing is fitted, so it handles tables one by one. */
export const scale = defineStage({
  name: 'normalize/scale',
  summary: 'Subtracts one number from every feature and divides by another.',
  options: z.strictObject({
    subtract: z.number().default(0).describe('Number that is subtracted from every value first.'),
    divideBy: z.number().positive().default(255).describe('Number that every value is then divided by.'),
  }),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  parallel: 'every',
  example: '- use: normalize/scale\n  with: { divideBy: 255 }',
  run: ({ subtract, divideBy }, context) =>
    context.flow.concatMap((table) => {
      const width = widthOf(layoutOf(table).shape)
      const before = layoutOf(table).affine
      const affine = { mean: new Float64Array(width).fill(subtract), scale: new Float64Array(width).fill(1 / divideBy) }
      return standardised(table, before ? composed(before, affine) : affine, context)
    }),
})
