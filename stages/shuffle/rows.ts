import { z } from 'zod'
import { defineStage, unreadOf, wire } from '../../pipeline/stage-kit.js'
import { dealtRows } from './dealt-rows.js'
import { byEpoch } from './epochs.js'

const SLOW =
  'the rows are read from a file in random order, which is slow if the file is larger than the memory of the machine; ' +
  'shuffle/buffer mixes rows as they come, shuffle/batches keeps them in their batches'

/**
 * Permutes the rows of an epoch across its batches, which keep their sizes. The rows of a batch are copied into new
 * memory just before it is emitted.
 */
export const rows = defineStage({
  name: 'shuffle/rows',
  summary: 'Permutes the rows across the batches of every epoch.',
  options: z.strictObject({}),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- id: shuffle\n  use: shuffle/rows',
  holds: 'the batches of one epoch (by reference); of a split in a file 4 bytes a row, and three windows',
  parallel: 'every',
  answers: ['borrowed'],
  asks: () => ({ batches: { unread: true } }),
  run: (_, context) =>
    byEpoch(context, (held, epoch) => {
      if (epoch === 1 && unreadOf(held[0]!)) context.note(SLOW)
      return dealtRows(held, context.random('order', epoch), context.parallel)
    }),
})
