import { z } from 'zod'

const value = z.unknown()

/** A list of two numbers, of which the first is smaller and fits `isFit`. */
const pair = (kind: 'integer' | 'number', isFit: (low: number) => boolean, expected: string) =>
  z
    .array(kind === 'integer' ? z.int() : z.number())
    .refine(([low, high, ...more]) => low! < high! && isFit(low!) && more.length === 0, { error: expected })
    .optional()
const any = (): boolean => true

const distribution = z
  .strictObject({
    uniform: pair('number', any, 'expected two numbers, the smaller one first').describe(
      'A number between the two, all equally likely.',
    ),
    logUniform: pair('number', (low) => low > 0, 'expected two positive numbers, the smaller one first').describe(
      'A number between the two, all orders of magnitude equally likely.',
    ),
    integer: pair('integer', any, 'expected two whole numbers, the smaller one first').describe(
      'A whole number from the first to the second, all equally likely.',
    ),
    choice: z.array(value).min(1).optional().describe('One of these values, all equally likely.'),
  })
  .refine((given) => Object.values(given).filter((each) => each !== undefined).length === 1, {
    error: 'expected one of uniform, logUniform, integer and choice',
  })

/** How the values of one name are drawn. Exactly one member is set. */
export type Distribution = z.output<typeof distribution>

const random = z.strictObject({
  n: z.int().positive().describe('How many settings to draw.'),
  seed: z.int().nonnegative().default(0).describe('The seed of the draws. It is independent of the seeds of the runs.'),
  over: z
    .record(z.string(), distribution)
    .refine((over) => Object.keys(over).length > 0, { error: 'expected at least one name' })
    .describe('How to draw the values of each name.'),
})

const halving = z.strictObject({
  keep: z
    .union([z.number().gt(0).lt(1), z.string().regex(/^1\/[1-9]\d*$/)])
    .describe('The share of the settings that continue: a number such as 0.5, or a fraction such as 1/3.'),
  at: z
    .array(z.int().positive())
    .min(1)
    .refine((epochs) => epochs.every((epoch, i) => i === 0 || epoch > epochs[i - 1]!), {
      error: 'expected numbers that grow',
    })
    .describe('Numbers of epochs after which the settings are compared.'),
  epochs: z.string().min(1).default('epochs').describe('The var, or stage.option, that sets the number of epochs.'),
})

/** The block `halving:` of a sweep, with defaults. */
export type Halving = z.output<typeof halving>

/**
 * Schema of the block `sweep:`: the settings to run a pipeline with. They are the combinations of `grid`, the draws of
 * `random` and the entries of `list`, each with every seed and every fold of `repeat`. A name is a var, or an option as
 * `stage.option`.
 */
export const sweep = z.strictObject({
  grid: z.record(z.string(), z.array(value).min(1)).optional().describe('Every combination of these values.'),
  random: random.optional().describe('Settings drawn at random.'),
  list: z
    .array(
      z.record(z.string(), value).refine((setting) => Object.keys(setting).length > 0, {
        error: 'expected a setting: name: value',
      }),
    )
    .min(1)
    .optional()
    .describe('Single settings.'),
  repeat: z
    .strictObject({
      seeds: z
        .union([z.int().positive(), z.array(z.int().nonnegative()).min(1)])
        .optional()
        .describe('A list of seeds, or their number, counted up from the seed of the pipeline.'),
      folds: z
        .int()
        .min(2)
        .max(1000)
        .optional()
        .describe('Cross-validation: how many folds; each setting runs once for each fold, which is held out.'),
      stage: z
        .string()
        .min(1)
        .optional()
        .describe(
          'The id of the stage that divides the rows into folds. Default: the only one with the option `folds`.',
        ),
    })
    .refine(({ seeds, folds }) => seeds !== undefined || folds !== undefined, {
      error: 'expected seeds, folds or both',
    })
    .refine(({ folds, stage }) => stage === undefined || folds !== undefined, {
      error: 'the stage is that of the folds, expected folds',
    })
    .optional()
    .describe('Runs each setting with several seeds, or with several folds held out, or both.'),
  halving: halving.optional().describe('Ends the runs of the worse settings early.'),
  monitor: z.string().min(1).optional().describe('The metric that ranks the settings.'),
})

/** The block `sweep:`, with defaults. */
export type Sweep = z.output<typeof sweep>
