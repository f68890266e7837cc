import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { type Change, changedRows } from './changed-rows.js'
import { imageFacts, imageOf } from './images.js'

/**
 * Mirrors images from left to right, each with the same probability, anew in every epoch. It belongs below `batch/rows`;
 * validation and test, which do not go through it, stay as they are.
 */
export const flip = defineStage({
  name: 'augment/flip',
  summary: 'Mirrors some of the images of every batch from left to right.',
  options: z.strictObject({
    probability: z.number().positive().max(1).default(0.5).describe('Probability that an image is mirrored.'),
  }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- use: augment/flip\n  with: { probability: 0.5 }',
  holds: 'one batch, copied',
  parallel: 'every',
  facts: (checking) => ({ batches: imageFacts(checking).batches }),
  run: ({ probability }, context) => changedRows(context, (shape) => flipped(shape, probability)),
})

function flipped(shape: readonly number[], probability: number): Change {
  const { width, height, channels, strides } = imageOf(shape)
  const [channel, row, column] = strides
  return (from, to, random) => {
    if (random.uniform() >= probability) {
      to.set(from)
      return
    }
    for (let c = 0; c < channels; c++)
      for (let y = 0; y < height; y++) {
        const start = c * channel + y * row
        for (let x = 0; x < width; x++) to[start + x * column] = from[start + (width - 1 - x) * column]!
      }
  }
}
