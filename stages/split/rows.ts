import type { Table } from 'apache-arrow'
import { concat, defer, finalize, of } from 'rxjs'
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
  unreadOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { FileRows } from './file-rows.js'
import { OwnRows, type RowsToDeal } from './gathered.js'
import { RowsOfAllRanks } from './ranks.js'
import { RowsInFile } from './rows-in-file.js'

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
    'all examples (by reference), and a copy of the rows that it divides; of rows in a file 4 bytes each; in a divided run, for ' +
    'a moment, 4 MiB of rows of each process',
  parallel: 'every',
  answers: ['pieces'],
  asks: () => ({ examples: { pieces: true } }),
  facts,
  run: (options, context) => (examples) =>
    defer(() => {
      const division = new Division(options, context)
      return concat(examples, of('end' as const)).pipe(
        context.flow.concatMap((item: Table | 'end') => context.flow.pull(division.take(item))),
        finalize(() => division.close()),
      )
    }),
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

/** The division of a run: its rows as they come. The tables of other splits pass. */
class Division {
  private readonly options: Options
  private readonly context: StageContext
  /** Whether tables come and go in pieces, so that rows are never in memory together. */
  private readonly inPieces: boolean
  private readonly others = new Set<string>()
  private readonly own: Table[] = []
  private readonly after: Table[] = []
  private file: RowsInFile | undefined
  private isDone = false

  constructor(options: Options, context: StageContext) {
    this.options = options
    this.context = context
    const { asked, directory, parallel } = context
    this.inPieces = !parallel.isDivided && directory !== '' && asked.length > 0 && asked.every(({ pieces }) => pieces)
  }

  /** Takes a table. Returns those that can go on. */
  async *take(item: Table | 'end'): AsyncGenerator<Table> {
    const { split } = this.options
    if (item === 'end') {
      if (!this.isDone) yield* this.divided()
      yield* this.after
    } else if (splitOf(item) === split) await this.add(item)
    else {
      this.others.add(splitOf(item))
      const isBegun = this.own.length > 0
      // Pieces come split after split.
      if (isBegun && this.inPieces && !this.isDone) yield* this.divided()
      if (isBegun && !this.inPieces) this.after.push(item)
      else yield item
    }
  }

  /** Gives back what is not needed any more. */
  close(): void {
    this.file?.close()
  }

  private async add(table: Table): Promise<void> {
    if (this.isDone)
      throw new PipelineError('DATA', `rows of the split "${splitOf(table)}" came behind those of another split`)
    if (this.inPieces && !unreadOf(table)) {
      this.file ??= new RowsInFile(table, this.context)
      await this.file.add(table)
      if (this.own.length > 0) return
    }
    this.own.push(table)
  }

  private async *divided(): AsyncGenerator<Table> {
    const { options, context, own } = this
    const [first] = own
    if (!first) {
      const found = someOf([...this.others])
      throw new PipelineError(
        'DATA',
        `no rows of the split "${options.split}" arrived; there are ${found || 'none at all'}`,
      )
    }
    this.isDone = true
    const layout = layoutOf(first)
    if (layout.affine || layout.applied) noteNormalised(options, context)
    const rows = await this.rows(first)
    yield* rows.gathered(await dealt(rows, options, context))
  }

  private async rows(first: Table): Promise<RowsToDeal> {
    const { context, own, inPieces, file } = this
    if (context.parallel.isDivided) return RowsOfAllRanks.open(own, context)
    const source = file?.finish() ?? (own.length === 1 ? unreadOf(first)?.source : undefined)
    return source ? FileRows.open(first, source, context, inPieces) : new OwnRows(own, context)
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
