import type { Table } from 'apache-arrow'
import { filter, toArray } from 'rxjs'
import { z } from 'zod'
import {
  checkSplit,
  countsOf,
  defineStage,
  exampleFields,
  examplesTable,
  gatherPerRow,
  kernelRows,
  layoutOf,
  PipelineError,
  type StageContext,
  splitOf,
  wire,
} from '../../pipeline/stage-kit.js'

/**
 * Draws a few examples of a split at random, without repetition and in the order of the rows, and emits them as the
 * same batch `steps` times, so that a training step can be checked on it. If the split has fewer rows, all are taken.
 */
export const sample = defineStage({
  name: 'check/sample',
  summary: 'Draws a few examples and repeats them as one batch, to check training steps on.',
  options: z.strictObject({
    split: z.string().min(1).default('train').describe('The split to draw from.'),
    examples: z.int().positive().default(100).describe('Examples to draw.'),
    steps: z.int().positive().default(2).describe('How often to emit the batch.'),
  }),
  inputs: { examples: wire.examples },
  outputs: { batches: wire.batch },
  example: '- use: check/sample\n  with: { split: train, examples: 100 }',
  holds: 'the split (by reference) and the batch',
  facts: ({ options, inputs, problem }) => {
    const facts = inputs.examples ?? {}
    checkSplit(facts, options.split, 'split', problem)
    return { batches: { ...facts, splits: [options.split] } }
  },
  run: (options, context) => (examples) =>
    examples.pipe(
      filter((table) => splitOf(table) === options.split),
      toArray(),
      context.flow.concatMap((tables) => context.flow.pull(repeated(tables, options, context))),
    ),
})

function* repeated(
  tables: readonly Table[],
  { split, examples, steps }: { split: string; examples: number; steps: number },
  context: StageContext,
): Generator<Table> {
  const [first, ...others] = tables
  const all = first && kernelRows(first.concat(...others))
  if (!all || all.labels.length === 0) throw new PipelineError('DATA', `the split "${split}" has no rows`)
  const { values, labels } = all
  const width = values.length / labels.length
  const drawn = context.random('examples').permutation(labels.length).subarray(0, examples).sort()
  const Values = values.constructor as Uint8ArrayConstructor | Float32ArrayConstructor
  const bytes = context.kernels.allocate(drawn.length * width * Values.BYTES_PER_ELEMENT)
  const kept = new Values(bytes.buffer as ArrayBuffer, bytes.byteOffset, drawn.length * width)
  for (const [i, row] of drawn.entries())
    kept.set((values as Uint8Array).subarray(row * width, (row + 1) * width), i * width)
  const chosen = Int32Array.from(drawn, (row) => labels[row]!)
  const layout = layoutOf(first)
  const perRow = gatherPerRow(all, drawn)
  const fields = exampleFields({ ...layout, counts: countsOf([labels], layout.classes.length) }, kept)
  for (let step = 1; step <= steps; step++)
    yield examplesTable(fields, kept, chosen, split, { epoch: 1, step, epochs: 1, steps }, undefined, perRow)
}
