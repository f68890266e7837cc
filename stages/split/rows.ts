import type { Table } from 'apache-arrow'
import { toArray } from 'rxjs'
import { z } from 'zod'
import {
  type Checking,
  checkFolds,
  checkSplit,
  dealing,
  dealingProblem,
  dealRows,
  defineStage,
  type Facts,
  folding,
  fractions,
  holdOut,
  layoutOf,
  PipelineError,
  partsMeaning,
  type StageContext,
  someOf,
  splitOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { OwnRows, type RowsToDeal } from './gathered.js'
import { RowsOfAllRanks } from './ranks.js'

const options = z
  .strictObject({
    split: z.string().min(1).default('train').describe('The split whose rows are divided. All others pass unchanged.'),
    fractions: fractions
      .optional()
      .describe(
        `The new splits, and for each ${partsMeaning}. One of them may keep the name of the split that is divided.`,
      ),
    ...folding,
    ...dealing,
    assign: z
      .enum(['random', 'order', 'hash'])
      .optional()
      .describe(
        'How rows are assigned: `random`, by a seeded permutation (the default); `order`: the first split gets the first ' +
          'rows of the source, the last one the last; `hash`: by the features of each row, so that a row stays in its split when others ' +
          'are added or removed.',
      ),
    group: z
      .union([z.literal('all'), z.array(z.union([z.string(), z.int().nonnegative()])).min(1)])
      .optional()
      .describe(
        'Features, by name or by index from 0, that tell which rows belong together: rows with equal values in them come ' +
          'into one split. `all`: rows that are identical.',
      ),
  })
  .refine((given) => (given.fractions === undefined) !== (given.folds === undefined), {
    error: 'expected one of "fractions" and "folds"',
  })

type Options = z.output<typeof options>

/**
 * Divides the rows of one split into others: by shares, by numbers of rows, or one fold of a cross-validation. The
 * division depends on the `seed` of this stage, or on the seed that the definition says, and never on the seed that a run
 * is given: a sweep over seeds keeps its test rows.
 *
 * It stands before `normalize/*`, whose statistics would otherwise come from rows that are held out.
 */
export const rows = defineStage({
  name: 'split/rows',
  summary: 'Divides the rows of a split into others: by shares, by counts, by group, by hash, or into folds.',
  options,
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example:
    '- use: split/rows\n  with: { split: train, fractions: { train: rest, validation: 0.1, test: 500 }, stratify: true }',
  holds:
    'all examples (by reference), and a copy of the rows that it divides; in a divided run, for a moment, 4 MiB of rows of each ' +
    'process',
  parallel: 'every',
  facts,
  run: (options, context) => (examples) =>
    examples.pipe(
      toArray(),
      context.flow.concatMap((tables) => context.flow.pull(divided(tables, options, context))),
    ),
})

function facts({ options, inputs, problem }: Checking<Options>): { examples: Facts } {
  const { split, to, fractions, group, folds } = options
  const { splits, ...known } = inputs.examples ?? {}
  checkSplit({ ...(splits && { splits }) }, split, 'split', problem)
  checkFolds(options, split, problem)
  if (folds !== undefined && inputs.examples?.fitted?.includes(split))
    problem(
      'folds',
      `fill values of missing cells come from all rows of "${split}", also from those that are held out here; give folds to the ` +
        'load stage instead (folds: 5), which finds them in the other folds alone',
    )
  const wrong = dealingProblem(fractions, options, group !== undefined)
  if (wrong) problem(wrong.path, wrong.message)
  const made = fractions ? Object.keys(fractions) : [split, to]
  const others = splits?.filter((name) => name !== split)
  for (const name of made)
    if (others?.includes(name))
      problem(
        fractions ? `fractions.${name}` : 'to',
        `there is a split "${name}" already; expected another name, or ${JSON.stringify(split)}`,
      )
  return {
    examples: { ...known, ...(splits && { splits: splits.flatMap((name) => (name === split ? made : [name])) }) },
  }
}

async function* divided(tables: readonly Table[], options: Options, context: StageContext): AsyncGenerator<Table> {
  const { split } = options
  const own = tables.filter((table) => splitOf(table) === split)
  const [first] = own
  if (!first) {
    const found = someOf([...new Set(tables.map(splitOf))])
    throw new PipelineError('DATA', `no rows of the split "${split}" arrived; there are ${found || 'none at all'}`)
  }
  const layout = layoutOf(first)
  if (layout.affine || layout.applied) noteNormalised(options, context)
  const rows = context.parallel.isDivided ? await RowsOfAllRanks.open(own, context) : new OwnRows(own, context)
  let isEmitted = false
  for (const table of tables) {
    if (splitOf(table) !== split) yield table
    else if (!isEmitted) {
      isEmitted = true
      for (const [name, order] of await dealt(rows, options, context)) yield* rows.gathered(order, name)
    }
  }
}

/** The numbers of the rows of each new split. */
async function dealt(rows: RowsToDeal, options: Options, context: StageContext): Promise<Map<string, Uint32Array>> {
  const { split, to, folds, fold, fractions, assign, group } = options
  const order = assign === 'order' ? sourceOrder(rows.numbers) : undefined
  const labels = order ? Int32Array.from(order, (row) => rows.labels[row]!) : rows.labels
  const keys = group !== undefined || assign === 'hash' ? await rows.keys(group ?? 'all') : undefined
  const parts = fractions
    ? await dealRows(labels, fractions, options, context, keys)
    : await holdOut(labels, folds!, fold, options, context, keys).then(
        ({ kept, held }) =>
          new Map([
            [split, kept],
            [to, held],
          ]),
      )
  return order ? new Map([...parts].map(([name, part]) => [name, part.map((row) => order[row]!)])) : parts
}

/** The order of rows in their source if they were permuted before: "the last rows" are the last of the file. */
function sourceOrder(numbers: Int32Array | undefined): Uint32Array | undefined {
  return numbers?.some((number, i) => i > 0 && number < numbers[i - 1]!) ? orderOf(numbers) : undefined
}

/** The rows by their numbers. Numbers of one source are dense and differ, so that nothing needs to be compared. */
function orderOf(numbers: Int32Array): Uint32Array {
  const most = numbers.reduce((a, b) => Math.max(a, b), 0)
  const rows = Uint32Array.from(numbers.keys())
  const places = new Int32Array(most < 8 * numbers.length ? most + 1 : 0).fill(-1)
  for (const [i, number] of numbers.entries()) {
    if (places[number] !== -1) return rows.sort((a, b) => numbers[a]! - numbers[b]!)
    places[number] = i
  }
  return Uint32Array.from(places.filter((row) => row >= 0))
}

function noteNormalised({ assign, split }: Options, { note }: StageContext): void {
  if (assign === 'hash')
    throw new PipelineError(
      'DATA',
      'the features are normalised already, so a hash of them depends on all other rows; put this stage before normalize/*',
    )
  note(
    `the statistics of normalize/* come from all rows of ${split}, also from those that are held out here; put this stage before it`,
  )
}
