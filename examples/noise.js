import { defineStage, examplesTable, layoutOf, positionOf, splitOf, storedRows, wire, z } from 'millrace/stage'
import { map } from 'rxjs'

/** Adds uniform noise of at most `amount` to every value, anew in every step. */
export default defineStage({
  name: 'noise',
  summary: 'Adds noise to the values of every batch.',
  options: z.strictObject({
    amount: z.number().positive().describe('Largest change of a value, in the unit of the data as they were loaded.'),
  }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- use: ./noise.js\n  with: { amount: 2 }',
  run: ({ amount }, { random }) =>
    map((batch) => {
      const position = positionOf(batch)
      const draw = random('noise', position.step)
      const noise = () => amount * (2 * draw.uniform() - 1)
      const { stored, labels, fields, perRow } = storedRows(batch)
      // Bytes are as they were loaded: they stay whole numbers from 0 to 255. Floats may be standardised already, which
      // has changed their unit.
      const scale = layoutOf(batch).applied?.scale ?? [1]
      const noisy =
        stored instanceof Uint8Array
          ? stored.map((value) => Math.min(255, Math.max(0, Math.round(value + noise()))))
          : stored.map((value, i) => value + noise() * scale[i % scale.length])
      // Weights and numbers of the rows, if the data has them, go on as they are.
      return examplesTable(fields, noisy, labels, splitOf(batch), position, undefined, perRow)
    }),
})
