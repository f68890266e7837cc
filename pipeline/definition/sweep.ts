import { z } from 'zod'

const value = z.unknown()

const pair = (kind: 'integer' | 'number', isFit: (low: number) => boolean, expected: string) =>
  z
    .array(kind === 'integer' ? z.int() : z.number())
    .refine(([low, high, ...more]) => low! < high! && isFit(low!) && more.length === 0, { error: expected })
    .optional()
const any = (): boolean => true

const distribution = z
  .strictObject({
    uniform: pair('number', any, 'expected two numbers, the smaller one first').describe('Any number between the two.'),
    logUniform: pair('number', (low) => low > 0, 'expected two positive numbers, the smaller one first').describe(
      'Any number between the two, each order of magnitude as likely as another.',
    ),
    integer: pair('integer', any, 'expected two whole numbers, the smaller one first').describe(
      'Any whole number from the first to the second.',
    ),
    choice: z.array(value).min(1).optional().describe('One of these, each as likely as another.'),
  })
  .refine((given) => Object.values(given).filter((each) => each !== undefined).length === 1, {
    error: 'expected one of uniform, logUniform, integer and choice',
  })

export type Distribution = z.output<typeof distribution>

const random = z.strictObject({
  n: z.int().positive().describe('How many settings to draw.'),
  seed: z.int().nonnegative().default(0).describe('Of the draws; the runs have seeds of their own.'),
  over: z
    .record(z.string(), distribution)
    .refine((over) => Object.keys(over).length > 0, { error: 'expected at least one name' })
    .describe('What to draw, by name.'),
})

const halving = z.strictObject({
  keep: z
    .union([z.number().gt(0).lt(1), z.string().regex(/^1\/[1-9]\d*$/)])
    .describe('The share of the settings that goes on: a number, or as 1/3.'),
  at: z
    .array(z.int().positive())
    .min(1)
    .refine((epochs) => epochs.every((epoch, i) => i === 0 || epoch > epochs[i - 1]!), {
      error: 'expected numbers that grow',
    })
    .describe('After how many epochs the settings are compared.'),
  epochs: z
    .string()
    .min(1)
    .default('epochs')
    .describe('The var, or stage.option, that says how many epochs there are.'),
})

export type Halving = z.output<typeof halving>

/**
 * The block `sweep:`, which settings to run a pipeline with: the cells of `grid`, the draws of `random` and the entries
 * of `list`, each with every seed of `repeat`. Names are vars, or options as `stage.option`.
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
    .describe('Settings one by one.'),
  repeat: z
    .strictObject({
      seeds: z
        .union([z.int().positive(), z.array(z.int().nonnegative()).min(1)])
        .describe('The seeds, or how many: from the seed of the pipeline upwards.'),
    })
    .optional()
    .describe('Runs each setting with several seeds.'),
  halving: halving.optional().describe('Ends the runs of the worse settings early.'),
  monitor: z.string().min(1).optional().describe('The metric that says which setting is best.'),
})

export type Sweep = z.output<typeof sweep>
