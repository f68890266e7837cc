import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  defineStage,
  examplesTable,
  fieldsOf,
  positionOf,
  type Random,
  rowsOf,
  splitOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { dealtAmongShards } from './divided-rows.js'
import { byEpoch, positionIn } from './epochs.js'

/**
 * Deals the rows of an epoch anew into its batches, which keep their sizes. Each batch is gathered into memory of its
 * own as it is asked for.
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
    byEpoch(flow, (held, epoch) => {
      const order = random('order', epoch)
      return parallel ? dealtAmongShards(held, order, parallel) : dealt(held, order)
    }),
})

function* dealt(held: readonly Table[], random: Random): Generator<Table> {
  const first = positionOf(held[0]!)
  const parts = held.map(rowsOf)
  const owners = parts.flatMap(({ labels }, part) =>
    Array.from({ length: labels.length }, (_, row) => [part, row] as const),
  )
  const order = random.permutation(owners.length)
  let next = 0
  for (const [i, table] of held.entries()) {
    const like = parts[i]!
    const width = like.values.length / like.labels.length
    const values =
      like.values instanceof Uint8Array ? new Uint8Array(like.values.length) : new Float32Array(like.values.length)
    const labels = new Int32Array(like.labels.length)
    for (let to = 0; to < labels.length; to++) {
      const [part, row] = owners[order[next++]!]!
      values.set(parts[part]!.values.subarray(row * width, (row + 1) * width), to * width)
      labels[to] = parts[part]!.labels[row]!
    }
    yield examplesTable(fieldsOf(table), values, labels, splitOf(table), positionIn(first, i))
  }
}
