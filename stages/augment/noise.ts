import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { changedRows } from './changed-rows.js'

/**
 * Adds independent normal noise N(0, sigma²) to every value, anew in every epoch. Bytes stay bytes: they are rounded to
 * the nearest whole number and clipped to 0 … 255. It belongs below `batch/rows`; validation and test, which do not go
 * through it, stay as they are.
 */
export const noise = defineStage({
  name: 'augment/noise',
  summary: 'Adds normal noise to the values of every batch.',
  options: z.strictObject({
    sigma: z
      .number()
      .positive()
      .describe(
        'Standard deviation of the noise, in the unit of the data as they were loaded: of 255 grey levels, say.',
      ),
  }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- use: augment/noise\n  with: { sigma: 8 }',
  holds: 'one batch, copied',
  parallel: 'every',
  run: ({ sigma }, context) =>
    changedRows(context, () => (from, to, random) => {
      for (let j = 0; j < from.length; j++) to[j] = from[j]! + sigma * random.normal()
    }),
})
