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
  monitor: z.string().min(1).optional().describe('The metric that says which setting is best.'),
})

export type Sweep = z.output<typeof sweep>
