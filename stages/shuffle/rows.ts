import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { dealtRows } from './dealt-rows.js'
import { byEpoch } from './epochs.js'

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
  holds: 'the batches of one epoch (by reference)',
  parallel: 'every',
  run: (_, { flow, random, parallel }) =>
    byEpoch(flow, (held, epoch) => dealtRows(held, random('order', epoch), parallel)),
})
