/** A user's stages. They are compiled and not run. */
import type { Table } from 'apache-arrow'
import { defineStage, wire, z } from 'millrace/stage'
import { ignoreElements, map } from 'rxjs'

const description = { summary: '', example: '', options: z.strictObject({ splits: z.array(z.string()).optional() }) }
const inputs = { parameters: wire.parameters, examples: wire.examples }

export const judge = defineStage({
  name: 'judge',
  ...description,
  inputs,
  outputs: { metrics: wire.metrics },
  metrics: ['f1', 'auc'],
  run: () => (wires) => wires.parameters,
})

export const judgeOfUnknown = defineStage({
  name: 'judge-of-unknown',
  ...description,
  inputs,
  outputs: { metrics: wire.metrics },
  run: () => (wires) => wires.parameters,
})

// A wire of a type of the user's own.
export const embed = defineStage({
  name: 'embed',
  ...description,
  inputs: { examples: wire.examples },
  outputs: { rows: { type: 'embeddings' } },
  run: () => map((table: Table) => table),
})

export const use = defineStage({
  name: 'use',
  ...description,
  inputs: { rows: { type: 'embeddings' } },
  outputs: {},
  run: () => ignoreElements(),
})

defineStage({
  name: 'wrong',
  ...description,
  inputs,
  outputs: {},
  // @ts-expect-error there is no input `labels`
  run: () => (wires) => wires.labels,
})
