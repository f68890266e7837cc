import { defineStage, examplesTable, fieldsOf, positionOf, rowsOf, splitOf, wire, z } from 'millrace/stage'
import { map } from 'rxjs'

/** Adds uniform noise of at most `amount` to every pixel, anew in every step. */
export default defineStage({
  name: 'noise',
  summary: 'Adds noise to the pixels of every batch.',
  options: z.strictObject({ amount: z.int().positive().describe('Largest change of a pixel.') }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- use: ./noise.js\n  with: { amount: 2 }',
  run: ({ amount }, { random }) =>
    map((batch) => {
      const position = positionOf(batch)
      const { values, labels } = rowsOf(batch)
      const draw = random('noise', position.step)
      const noisy = values.map((value) => Math.max(0, value + draw.below(2 * amount + 1) - amount))
      return examplesTable(fieldsOf(batch), noisy, labels, splitOf(batch), position)
    }),
})
