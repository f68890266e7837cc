import type { Table } from 'apache-arrow'
import { defer, tap } from 'rxjs'
import { z } from 'zod'
import { defineStage, endsEpoch, positionOf, wire } from '../../pipeline/stage-kit.js'
import { noteSorted } from './sorted.js'

/** Passes the batches on unchanged. Pipelines use it for `shuffle: none` in `use: shuffle/${shuffle}`. */
export const none = defineStage({
  name: 'shuffle/none',
  summary: 'Keeps the order of the batches.',
  options: z.strictObject({}),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  holds: 'the batches of the first epoch (by reference)',
  parallel: 'every',
  example: '- id: shuffle\n  use: shuffle/none',
  run: (_, context) => (batches) =>
    defer(() => {
      let held: Table[] | undefined = context.parallel.isDivided ? undefined : []
      return batches.pipe(
        tap((batch) => {
          if (!held) return
          held.push(batch)
          if (!endsEpoch(positionOf(batch))) return
          noteSorted(held, context)
          held = undefined
        }),
      )
    }),
})
