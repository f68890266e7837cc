import { z } from 'zod'

/*
 * The schema of tests of a pipeline: `tests:` in a definition, and files `NAME.test.yaml` beside it.
 */

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])

/** A number, or bounds of it. */
const bounds = {
  atLeast: z.number().optional().describe('It is this or more.'),
  atMost: z.number().optional().describe('It is this or less.'),
  above: z.number().optional().describe('It is more than this.'),
  below: z.number().optional().describe('It is less than this.'),
}

/** Something is said. */
const isNotEmpty = (given: object): boolean => Object.keys(given).length > 0

const condition = z
  .strictObject({
    ...bounds,
    approx: z.number().optional().describe('It is near this.'),
    absolute: z.number().nonnegative().optional().describe('How far from `approx` it may be.'),
    relative: z.number().nonnegative().optional().describe('How far from `approx`, as a share of it. Default: 1e-6.'),
    not: scalar.optional().describe('It is anything but this.'),
  })
  .refine(isNotEmpty, { error: 'expected a condition, such as { atLeast: 0.9 }' })
  .refine(({ approx, absolute, relative }) => approx !== undefined || (absolute ?? relative) === undefined, {
    error: 'absolute and relative are for approx: { approx: 0.5, absolute: 0.01 }',
  })

/** What a number, a text, or every number of a list must be. */
export interface Condition {
  /** It is this or more. */
  readonly atLeast?: number | undefined
  /** It is this or less. */
  readonly atMost?: number | undefined
  /** It is more than this. */
  readonly above?: number | undefined
  /** It is less than this. */
  readonly below?: number | undefined
  /** It is near this. */
  readonly approx?: number | undefined
  /** How far from `approx` it may be. */
  readonly absolute?: number | undefined
  /** How far from `approx` it may be, as a share of it. */
  readonly relative?: number | undefined
  /** It is anything but this. */
  readonly not?: string | number | boolean | null | undefined
}

/** What is expected of a cell: a value, a list of values, or a condition, which holds for every number of a list. */
export type ExpectedCell = string | number | boolean | null | Condition | readonly ExpectedCell[]

const cell: z.ZodType<ExpectedCell> = z.lazy(() => z.union([scalar, condition, z.array(cell)]))

/** A row that a test inserts or expects, by the names of its columns. */
export const testRow = z.record(z.string(), cell)

const tolerance = z
  .union([
    z.number().nonnegative(),
    z
      .strictObject({
        absolute: z.number().nonnegative().optional().describe('The largest difference.'),
        relative: z
          .number()
          .nonnegative()
          .optional()
          .describe('The largest difference, as a share of what is expected.'),
      })
      .refine(isNotEmpty, { error: 'expected absolute, relative or both' }),
  ])
  .describe('How far numbers may be from those expected: a difference, or { relative: 1e-4 }. Default: not at all.')

/** How far numbers may be apart. */
export type Tolerance = z.output<typeof tolerance>

const count = z.union([
  z.int().nonnegative(),
  z.strictObject(bounds).refine(isNotEmpty, { error: 'expected a condition, such as { atLeast: 1 }' }),
])

const place = z.string().min(1)

const insert = z
  .strictObject({
    into: place
      .optional()
      .describe('The stage that gets the rows: its id, or id.input if it has several inputs. Nothing else gets them.'),
    wire: place
      .optional()
      .describe('An output, id or id.output: the rows take its place for every stage that reads it.'),
    rows: z
      .union([z.string().min(1), z.array(testRow).min(1)])
      .optional()
      .describe(
        'The rows, or a file with them (.csv, .jsonl, or .arrows from sink/arrow). Rows of examples have features: [1, 2], or a column for ' +
          'each feature, and label, weight, row and split if they are needed.',
      ),
    use: z.string().min(1).optional().describe('A load stage that makes the rows, such as load/synthetic.'),
    with: z.record(z.string(), z.unknown()).nullish().describe('The options of that stage.'),
    split: z.string().min(1).optional().describe('The split of rows that name none. Default: train.'),
    classes: z.array(z.string().min(1)).min(1).optional().describe('The class names. Default: the labels that occur.'),
    shape: z.array(z.int().positive()).min(1).optional().describe('The shape of one example, such as [1, 8, 8].'),
    type: z
      .enum(['float32', 'uint8'])
      .optional()
      .describe('The numbers of the features: uint8 for images. Default: float32.'),
    size: z.int().positive().optional().describe('Rows of a batch, where batches go in. Default: all.'),
    epochs: z.int().positive().optional().describe('Epochs of batches. Default: 1.'),
  })
  .refine(({ into, wire }) => (into === undefined) !== (wire === undefined), {
    error: 'expected where the rows go: `into` (a stage) or `wire` (an output)',
  })
  .refine(({ rows, use }) => (rows === undefined) !== (use === undefined), {
    error: 'expected `rows`, or `use` for a load stage that makes them',
  })

/** Rows that a test puts into a pipeline. */
export type Insert = z.output<typeof insert>

const expectedError = z.union([
  z.string().min(1),
  z
    .strictObject({
      code: z.string().min(1).optional().describe('The code, such as DATA; millrace explain CODE tells of each.'),
      message: z.string().min(1).optional().describe('A part of the message.'),
      stage: z.string().min(1).optional().describe('The id of the stage that fails.'),
    })
    .refine(isNotEmpty, { error: 'expected code, message or stage' }),
])

const gradient = z.strictObject({
  tolerance: z.number().positive().default(1e-6).describe('The largest error against differences of the cost.'),
  examples: z.int().positive().default(20).describe('Examples to compute gradients on.'),
  features: z
    .union([z.int().positive(), z.literal('all')])
    .default(20)
    .describe('Features, drawn at random, whose weights are checked; or all.'),
})

/** Of an expectation that is written or read: what is expected, without where and how to look. */
export function saidOf<E extends { from?: unknown; match?: unknown; where?: unknown; tolerance?: unknown }>(given: E) {
  const { from, match, where, tolerance, ...said } = given
  return said
}

const expectation = z
  .strictObject({
    from: place
      .optional()
      .describe('What is looked at: an output, as id or id.output. Default: the stage that rows are inserted into.'),
    rows: z
      .union([z.string().min(1), z.array(testRow)])
      .optional()
      .describe('The rows, or a file with them (.csv, .jsonl). Only the columns that are named are compared.'),
    match: z
      .enum(['all', 'first', 'last', 'some'])
      .default('all')
      .describe('Whether `rows` are all rows, the first ones, the last ones, or each is somewhere among them.'),
    where: z
      .record(z.string(), scalar)
      .optional()
      .describe('Only rows with these cells are compared and counted: { epoch: 2, split: test }.'),
    tolerance: tolerance.optional(),
    count: count.optional().describe('The number of rows, or { atLeast: 1 }.'),
    tables: count.optional().describe('The number of tables, or { atLeast: 1 }.'),
    splits: z
      .union([z.array(z.string()), z.record(z.string(), count)])
      .optional()
      .describe('The splits in their order, or the number of rows of each.'),
    metrics: z
      .record(z.string(), cell)
      .optional()
      .describe('Metrics of the last evaluation: { test_accuracy: { atLeast: 0.9 } }.'),
    gradient: gradient
      .optional()
      .describe('The gradient of the training step agrees with differences of the cost; {} is enough.'),
    error: expectedError
      .optional()
      .describe('The run fails: a code, a part of the message, or { code, message, stage }.'),
    notes: z.array(z.string().min(1)).optional().describe('Texts that notes of the run have.'),
    files: z
      .record(z.string(), z.union([z.string(), z.strictObject({ includes: z.string() })]))
      .optional()
      .describe('Files that sinks write, with their text, or { includes: a part of it }.'),
  })
  .refine((given) => isNotEmpty(saidOf(given)), {
    error: 'expected what is expected: rows, count, metrics, error, …',
  })

/** What a test expects of an output, or of the run. */
export type Expectation = z.output<typeof expectation>

const oneOrMore = <S extends z.ZodType>(schema: S) => z.union([schema, z.array(schema).min(1)])

const settings = z.record(z.string(), z.unknown())

const testCase = z.strictObject({
  name: z.string().min(1).describe('What is true if the test passes, as a sentence.'),
  skip: z.string().min(1).optional().describe('Why the test is not run.'),
  set: settings.optional().describe('Vars and options of stages for this test, as --set takes them: { eta: 0.1 }.'),
  seed: z.int().nonnegative().optional().describe('The seed of this test. Default: that of the pipeline.'),
  kernel: z
    .enum(['native', 'wasm', 'reference'])
    .optional()
    .describe('The kernel of this test. Default: wasm, which computes the same on every machine.'),
  insert: oneOrMore(insert).optional().describe('Rows that go into the pipeline. Default: it loads its own.'),
  expect: oneOrMore(expectation).describe('What comes out. Only the stages on the way to it run.'),
})

/** A test of a pipeline. */
export type TestCase = z.output<typeof testCase>

/** Schema of `tests:`. */
export const tests = z.array(testCase).min(1)

/** Schema of a file `NAME.test.yaml`. */
export const testFile = z.strictObject({
  pipeline: z.string().min(1).describe('The pipeline that is tested: a file, from this one, or a built-in name.'),
  set: settings.optional().describe('Vars and options of stages for all tests of this file.'),
  tests: tests.describe('The tests.'),
})
