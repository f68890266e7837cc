import type { Table } from 'apache-arrow'
import { z } from 'zod'
import { defineStage, positionOf, type Random, reposition, unreadOf, wire } from '../../pipeline/stage-kit.js'
import { byEpoch, positionIn } from './epochs.js'
import { lookingAt, noteSorted } from './sorted.js'

/**
 * Permutes the order of the batches in every epoch. Rows stay in their batch. Nothing is copied.
 * (Bengio, Practical Recommendations for Gradient-Based Training of Deep Architectures, 2012, section 2.1.)
 */
export const batches = defineStage({
  name: 'shuffle/batches',
  summary: 'Permutes the order of the batches in every epoch.',
  options: z.strictObject({}),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '- id: shuffle\n  use: shuffle/batches',
  holds: 'the batches of one epoch (by reference); of a split in a file their places, and three windows',
  parallel: 'every',
  answers: ['borrowed'],
  asks: () => ({ batches: { unread: true } }),
  run: (_, context) => (batches) => {
    let isUnread = false
    return batches.pipe(
      byEpoch(context, (held, epoch) => {
        isUnread = unreadOf(held[0]!) !== undefined
        if (epoch === 1 && !context.parallel.isDivided && !isUnread) noteSorted(held, context)
        return permuted(held, context.random('order', epoch))
      }),
      // The labels of batches in a file are known once these have been read.
      lookingAt(context, (look) => (isUnread ? look.unmixed() : undefined)),
    )
  },
})

function* permuted(held: readonly Table[], random: Random): Generator<Table> {
  const first = positionOf(held[0]!)
  let i = 0
  for (const from of random.permutation(held.length)) yield reposition(held[from]!, positionIn(first, i++))
}
