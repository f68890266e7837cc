import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { type Change, changedRows } from './changed-rows.js'
import { imageFacts, imageOf } from './images.js'

/**
 * Pads images on all sides and cuts one of their own size out at a random place, anew in every epoch: they move by at
 * most `pad` pixels (C.-Y. Lee et al., Deeply-Supervised Nets, 2015). It belongs below `batch/rows`; validation and test,
 * which do not go through it, stay as they are.
 *
 * A pixel that is almost always dark has a tiny deviation, and `normalize/standardize` makes an enormous number of an image
 * that is moved there. Take `normalize/scale` with this stage.
 */
export const crop = defineStage({
  name: 'augment/crop',
  summary: 'Pads the images of every batch and cuts one of the same size out at a random place.',
  options: z.strictObject({
    pad: z.int().positive().default(4).describe('Pixels that are added on each side.'),
    fill: z
      .number()
      .default(0)
      .describe(
        'Value of the added pixels, in the unit of the data as they were loaded. Bytes: a number from 0 to 255.',
      ),
  }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- use: augment/crop\n  with: { pad: 4 }',
  holds: 'one batch, copied',
  parallel: 'every',
  facts: (checking) => {
    const { batches, image } = imageFacts(checking)
    const { pad } = checking.options
    const side = Math.min(image?.width ?? Number.POSITIVE_INFINITY, image?.height ?? Number.POSITIVE_INFINITY)
    if (pad >= side)
      checking.problem(
        'pad',
        `expected less than ${side}, the smaller side of the images, got ${pad}: they could be empty`,
      )
    return { batches }
  },
  run: ({ pad, fill }, context) => changedRows(context, (shape) => moved(shape, pad, fill)),
})

function moved(shape: readonly number[], pad: number, fill: number): Change {
  const { width, height, channels, strides } = imageOf(shape)
  const [channel, row, column] = strides
  return (from, to, random) => {
    const down = random.below(2 * pad + 1) - pad
    const right = random.below(2 * pad + 1) - pad
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const isInside = y + down >= 0 && y + down < height && x + right >= 0 && x + right < width
        for (let c = 0; c < channels; c++) {
          const at = c * channel + y * row + x * column
          to[at] = isInside ? from[at + down * row + right * column]! : fill
        }
      }
  }
}
