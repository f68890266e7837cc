import type { Table } from 'apache-arrow'
import { defer, filter, tap, toArray } from 'rxjs'
import { z } from 'zod'
import {
  batchOfShards,
  checkSplit,
  counted,
  countsOf,
  defineStage,
  exampleFields,
  layoutOf,
  PipelineError,
  type Position,
  positionOf,
  type RowSource,
  readAhead,
  reposition,
  rowSourceOf,
  rowsBefore,
  rowsByShard,
  type StageContext,
  shareOf,
  slicePerRow,
  someOf,
  splitOf,
  unreadBatch,
  unreadOf,
  widthOf,
  wire,
  withFixedRows,
} from '../../pipeline/stage-kit.js'

/**
 * Cuts a split into tables of `size` rows, epoch after epoch, in the order of the rows. Batches are views: no row is
 * copied. The last batch of an epoch is short if `size` does not divide the number of rows; `dropLast` leaves it out.
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
  holds: 'the split (by reference); of a split in a file three windows',
  answers: ['unread', 'borrowed'],
  parallel: 'every',
  onResume: { epochs: 'whole' },
  facts: ({ options, inputs, problem }) => {
    const facts = inputs.examples ?? {}
    checkSplit(facts, options.split, 'split', problem)
    return { batches: { ...facts, splits: [options.split], batchSize: options.size } }
  },
  run:
    ({ split, size, epochs, dropLast }, context) =>
    (examples) =>
      defer(() => {
        const at = { epoch: 1 }
        context.state(progress, {
          snapshot: () => at,
          restore: ({ epoch }) => {
            at.epoch = epoch
          },
        })
        return examples.pipe(
          filter((table) => splitOf(table) === split),
          toArray(),
          context.flow.concatMap((tables) => {
            const { count, cut, begin, isUnread } = cuttable(tables, split, context)
            // A stage that shuffles the batches reads them itself.
            const isRead = !isUnread || context.asked.some(({ unread }) => unread)
            const begun = (epoch: number): void => {
              at.epoch = epoch
            }
            const cuts = { count, cutOut: cut, split, size, epochs, dropLast, kept: isUnread ? 0 : KEPT }
            if (isRead) return context.flow.pull(afterFirst(begin, batches(cuts, at.epoch, begun)))
            const areBorrowed = context.asked.some(({ borrowed }) => borrowed)
            const ahead = readAhead(
              batches(cuts, at.epoch, () => {}),
              context.memory.window,
              areBorrowed,
            )
            // What is read ahead may be of the next epoch: an epoch begins when its first batch is emitted.
            return context.flow.pull(ahead).pipe(tap((table) => begun(positionOf(table).epoch)))
          }),
        )
      }),
})

/** The last epoch that was emitted. A resumed run emits it again, because later stages may not have finished it. */
const progress = z.strictObject({ epoch: z.int().positive() })

/** Number of batches of the first epoch that are kept for the next epochs. More would not be worth their memory. */
const KEPT = 10_000

/** A split of which batches are cut. */
interface Cuttable {
  /** The number of its rows. */
  readonly count: number
  /** Whether the rows lie in a file. */
  readonly isUnread: boolean
  /** Counts the rows of each class. Must be called before the first cut. */
  readonly begin: () => Promise<void> | undefined
  /** Cuts the rows `from … to - 1`. */
  readonly cut: (from: number, to: number, position: Position) => Table
}

/** All ranks cut the same batches. A rank has only those rows of a batch that belong to its shards. */
function cuttable(tables: readonly Table[], split: string, context: StageContext): Cuttable {
  const { parallel } = context
  const [first, ...others] = tables
  if (!first) throw new PipelineError('DATA', `no rows of the split "${split}" arrived`)
  const source = rowSourceOf(first)
  if (source && others.length === 0) return unread(first, source, split, context)
  const { isDivided, shards, own } = parallel
  // Without shards, several tables are joined into one.
  const joined = isDivided || others.length === 0 ? tables : [first.concat(...others)]
  const parts = rowsByShard(joined, split, parallel).map(([rows]) => rows!)
  const layout = layoutOf(first)
  const width = widthOf(layout.shape)
  let fields: ReturnType<typeof exampleFields>

  function counted(counts: readonly number[]): void {
    noteMissing(counts, layout.classes, split, context)
    fields = exampleFields({ ...layout, counts }, parts[0]!.values)
  }

  return {
    isUnread: false,
    count: shareOf(first)?.rows ?? parts[0]!.labels.length,
    begin: () => {
      const labels = parts.map((rows) => rows.labels)
      if (!isDivided) {
        counted(countsOf(labels, layout.classes.length))
        return undefined
      }
      const ours = labels.map((each) => Float64Array.from(countsOf([each], layout.classes.length)))
      return parallel.gather(ours).then((all) => counted(layout.classes.map((_, c) => sumOf(all, c))))
    },
    cut: (from, to, position) => {
      const cuts = parts.map((part, i) => {
        const { values, labels } = part
        const [start, end] = [rowsBefore(from, own[i]!, shards), rowsBefore(to, own[i]!, shards)]
        return {
          values: values.subarray(start * width, end * width),
          labels: labels.subarray(start, end),
          ...slicePerRow(part, start, end),
        }
      })
      return withFixedRows(batchOfShards(fields, cuts, split, position, { first: from, rows: to - from }, parallel))
    },
  }
}

/** The rows of a file, of which batches are cut without reading them. */
function unread(table: Table, source: RowSource, split: string, context: StageContext): Cuttable {
  const layout = layoutOf(table)
  noteMissing(source.counts, layout.classes, split, context)
  const fields = exampleFields({ ...layout, counts: source.counts }, source.readNow(0, 0).values)
  return {
    isUnread: true,
    count: source.rows,
    begin: () => undefined,
    cut: (from, to, position) => unreadBatch(fields, unreadOf(table)!.source, from, to, split, position),
  }
}

function sumOf(vectors: readonly Float64Array[], at: number): number {
  return vectors.reduce((sum, vector) => sum + vector[at]!, 0)
}

/** Adds a note about classes that cannot be learned, because no row to train on has them on any rank. */
function noteMissing(
  counts: readonly number[],
  classes: readonly string[],
  split: string,
  { note }: StageContext,
): void {
  const missing = classes.filter((_, c) => counts[c] === 0)
  if (missing.length === 0 || missing.length === classes.length) return
  const have = missing.length === 1 ? 'has' : 'have'
  note(`${missing.length} of ${classes.length} classes ${have} no rows in ${split}: ${someOf(missing)}`)
}

/** Calls `first` before the first item. The items after it come without a promise, which would cost time for each. */
function afterFirst<T>(first: () => Promise<void> | undefined, items: Iterator<T>): AsyncIterable<T> {
  let begin: (() => Promise<void> | undefined) | undefined = first
  function next(): IteratorResult<T> | Promise<IteratorResult<T>> {
    const waiting = begin?.()
    begin = undefined
    return waiting ? waiting.then(() => items.next()) : items.next()
  }
  const iterator = { next, return: () => items.return?.() ?? { done: true, value: undefined } }
  return { [Symbol.asyncIterator]: () => iterator as unknown as AsyncIterator<T> }
}

/** Which batches are cut. */
interface Cuts {
  readonly count: number
  readonly cutOut: Cuttable['cut']
  readonly split: string
  readonly size: number
  readonly epochs: number
  readonly dropLast: boolean
  /** How many batches of the first epoch are kept for the others. */
  readonly kept: number
}

/** @param begun is called when an epoch begins */
function* batches(
  { count, cutOut, split, size, epochs, dropLast, kept }: Cuts,
  first: number,
  begun: (epoch: number) => void,
): Generator<Table> {
  const steps = dropLast ? Math.floor(count / size) : Math.ceil(count / size)
  if (steps === 0)
    throw new PipelineError(
      'DATA',
      count === 0
        ? `the split "${split}" has no rows`
        : `the split "${split}" has ${counted(count, 'row')}, less than one batch of ${size}, and dropLast leaves it out`,
    )
  const cuts: Table[] = []
  for (let epoch = first; epoch <= epochs; epoch++) {
    begun(epoch)
    for (let i = 0; i < steps; i++) {
      const position = { epoch, step: (epoch - 1) * steps + i + 1, epochs, steps }
      const cut = cuts[i]
      if (cut) yield reposition(cut, position)
      else {
        const table = cutOut(i * size, Math.min(count, (i + 1) * size), position)
        if (i < kept) cuts.push(table)
        yield table
      }
    }
  }
}
