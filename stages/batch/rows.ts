import type { Table } from 'apache-arrow'
import { defer, filter, toArray } from 'rxjs'
import { z } from 'zod'
import {
  checkSplit,
  defineStage,
  examplesTable,
  fieldsOf,
  PipelineError,
  reposition,
  rowsOf,
  splitOf,
  wire,
} from '../../pipeline/index.js'

/**
 * Cuts a split into tables of `size` rows, epoch after epoch, in the order of the rows. Batches are views: no row is
 * copied. The last batch of an epoch is short where `size` does not divide the rows; `dropLast` leaves it out.
 */
export const rows = defineStage({
  name: 'batch/rows',
  summary: 'Cuts a split into batches of a fixed number of rows, once per epoch.',
  options: z.strictObject({
    split: z.string().min(1).default('train').describe('The split to train on.'),
    size: z.int().positive().describe('Rows per batch.'),
    epochs: z.int().positive().describe('How often to go through the split.'),
    dropLast: z.boolean().default(false).describe('Leave out a short last batch.'),
  }),
  inputs: { examples: wire.examples },
  outputs: { batches: wire.batch },
  example: '- use: batch/rows\n  with: { split: train, size: 100, epochs: 40 }',
  holds: 'the split (by reference)',
  facts: ({ options, inputs, problem }) => {
    const facts = inputs.examples ?? {}
    checkSplit(facts, options.split, 'split', problem)
    return { batches: { ...facts, splits: [options.split] } }
  },
  run:
    ({ split, size, epochs, dropLast }, { flow, state }) =>
    (examples) =>
      defer(() => {
        const at = { epoch: 1 }
        state(progress, {
          snapshot: () => at,
          restore: ({ epoch }) => {
            at.epoch = epoch
          },
        })
        return examples.pipe(
          filter((table) => splitOf(table) === split),
          toArray(),
          flow.concatMap((tables) => flow.pull(batches(tables, split, size, epochs, dropLast, at))),
        )
      }),
})

/** The epoch that was handed out last: a resumed run hands it out again, for who comes after may be in its midst. */
const progress = z.strictObject({ epoch: z.int().positive() })

/** Batches kept from the first epoch for the next ones; more of them would cost more memory than they save time. */
const KEPT = 10_000

function* batches(
  tables: readonly Table[],
  split: string,
  size: number,
  epochs: number,
  dropLast: boolean,
  at: { epoch: number },
): Generator<Table> {
  const [first, ...others] = tables
  if (!first) throw new PipelineError('DATA', `no rows of the split "${split}" arrived`)
  const { values, labels } = rowsOf(others.length > 0 ? first.concat(...others) : first)
  const fields = fieldsOf(first)
  const count = labels.length
  const width = values.length / count
  const steps = dropLast ? Math.floor(count / size) : Math.ceil(count / size)
  if (steps === 0)
    throw new PipelineError(
      'DATA',
      count === 0
        ? `the split "${split}" has no rows`
        : `the split "${split}" has ${count} rows, less than one batch of ${size}, and dropLast leaves it out`,
    )
  const cuts: Table[] = []
  for (let { epoch } = at; epoch <= epochs; epoch++) {
    at.epoch = epoch
    for (let i = 0; i < steps; i++) {
      const position = { epoch, step: (epoch - 1) * steps + i + 1, epochs, steps }
      const cut = cuts[i]
      if (cut) yield reposition(cut, position)
      else {
        const [from, to] = [i * size, Math.min(count, (i + 1) * size)]
        const part = [values.subarray(from * width, to * width), labels.subarray(from, to)] as const
        const table = examplesTable(fields, ...part, split, position)
        if (i < KEPT) cuts.push(table)
        yield table
      }
    }
  }
}
