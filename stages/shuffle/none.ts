import { z } from 'zod'
import { defineStage, wire } from '../../pipeline/stage-kit.js'
import { lookingAt } from './sorted.js'

/** Passes the batches on unchanged. Pipelines use it for `shuffle: none` in `use: shuffle/${shuffle}`. */
export const none = defineStage({
  name: 'shuffle/none',
  summary: 'Keeps the order of the batches.',
  options: z.strictObject({}),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  parallel: 'every',
  asks: () => ({ batches: { borrowed: true } }),
  example: '- id: shuffle\n  use: shuffle/none',
  run: (_, context) => lookingAt(context, (look) => look.unmixed()),
})
