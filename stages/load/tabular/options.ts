import {
  type Checking,
  checkFolds,
  dealing,
  dealingProblem,
  type Facts,
  folding,
  fractions,
  labelText,
  mergedLabel,
  modelFacts,
  modelOption,
  type Part,
  z,
} from '../../../pipeline/stage-kit.js'
import { givenFiles, inputFiles } from '../input-files.js'
import { pathOrFiles } from '../shared-options.js'

/** A column: its name, or its index from 0 (negative: from the end). */
export const columnName = z.union([z.string(), z.int()])

const policy = z.union([
  z.strictObject({ constant: z.union([z.number(), z.string().min(1)]) }),
  z.enum(['error', 'drop', 'mean', 'median', 'mode']),
])

/** What becomes of a missing cell. */
export type MissingPolicy = z.output<typeof policy>

const textPolicy = z.enum(['error', 'one-hot', 'ordinal', 'drop'])

/** What becomes of a column that has texts. */
export type TextPolicy = z.output<typeof textPolicy>

/** Texts that mean that a cell has no value. */
const MISSING_TEXTS = ['', '?', 'NA', 'N/A', 'n/a', '<NA>', '#N/A', 'NaN', 'nan', 'NULL', 'null']

/** The largest offset: what plain numbers of a file become by it is then finite as float32. */
export const MOST_OFFSET = 1e38

const SPLITS = { train: 0.7, validation: 0.15, test: 0.15 }

/** The options of every load stage whose data has columns. */
export const tabular = {
  path: inputFiles()
    .optional()
    .describe('A file, several, or all that a pattern such as data/*.csv matches: divided into splits by `fractions`.'),
  fractions: fractions
    .optional()
    .describe(
      'Share of the rows of `path` in each split. Rows are assigned by a seeded permutation. Default: train 0.7, validation 0.15, test 0.15; with `folds`: train 1.',
    ),
  ...dealing,
  assign: z
    .enum(['random', 'order', 'hash'])
    .optional()
    .describe(
      'How rows are assigned: `random`, by a seeded permutation (the default); `order`: the first split gets the first rows, the ' +
        'last one the last; `hash`: by the cell in the column `group`, so that a row stays in its split when others are added.',
    ),
  group: columnName
    .optional()
    .describe(
      'A column that tells which rows belong together (a patient, a customer): rows with equal cells come into one split. It ' +
        'is no feature.',
    ),
  ...folding,
  files: z
    .record(z.string(), inputFiles())
    .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
    .optional()
    .describe('The files of each split, instead of `path`.'),
  label: columnName
    .optional()
    .describe(
      'The label column: its name, or its index from 0 (negative: from the end). Default: the last column; in files that always name their columns, the one named "label" if there is one.',
    ),
  drop: z
    .array(columnName)
    .default([])
    .describe('Columns to leave out, by name or index. An unnamed column has the name "".'),
  select: z
    .array(columnName)
    .min(1)
    .optional()
    .describe('The columns that become features, in this order, instead of all but the label and those of `drop`.'),
  types: z
    .record(z.string(), z.enum(['number', 'category']))
    .default({})
    .describe('The type of columns, by name or index, where it should not be found from the cells.'),
  missing: z
    .union([policy, z.record(z.string(), policy)])
    .default('error')
    .describe(
      'What becomes of missing cells: an error; drop leaves the row out; mean, median, mode and { constant: 0 } fill them. Texts are filled by their mode instead of mean and median. The values are those of the training split. A mapping gives one rule for each column, and "*" for the others.',
    ),
  missingTexts: z
    .array(z.string())
    .default(MISSING_TEXTS)
    .describe('Texts that mean that a cell has no value. Blanks around cells do not count.'),
  offsets: z
    .record(z.string(), z.number().min(-MOST_OFFSET).max(MOST_OFFSET))
    .default({})
    .describe(
      'What is subtracted from the numbers of columns, by name or index, in float64, before they become float32; "*" for the others. The model keeps it. Default: the smallest number of a column that would lose digits otherwise, such as times since 1970; else 0.',
    ),
  text: z
    .union([textPolicy, z.record(z.string(), textPolicy)])
    .default('error')
    .describe(
      'What becomes of columns that have texts: an error; one-hot makes a feature of each text; ordinal numbers the texts; drop leaves the column out. A mapping gives one rule for each column, and "*" for the others.',
    ),
  unseen: z
    .enum(['error', 'ignore'])
    .default('error')
    .describe(
      'What becomes of a text that the training split does not have: an error, or no category (all features 0; the number -1).',
    ),
  maxCategories: z
    .int()
    .positive()
    .max(1 << 16)
    .default(1000)
    .describe('The most different texts of a column.'),
  classes: z
    .array(z.string().min(1))
    .min(2)
    .refine((names) => new Set(names.map(labelText)).size === names.length, { error: 'expected names that differ' })
    .optional()
    .describe('The class names, in order. Default: the labels that occur, numbers by value, others by their text.'),
  merge: z
    .array(z.enum(['case', 'stops']))
    .default([])
    .describe('Labels that are one class although they differ: by case, or by full stops at their end.'),
  shape: z.array(z.int().positive()).min(1).optional().describe('Shape of one example, for instance [1, 8, 8].'),
  type: z
    .enum(['float32', 'uint8'])
    .optional()
    .describe(
      'The numbers of the features. With uint8, they must be whole numbers from 0 to 255. Default: uint8 for a column that has all features of a row as bytes, else float32.',
    ),
  weight: columnName
    .optional()
    .describe('A column by which training multiplies the loss of its row: numbers of 0 or more.'),
  model: modelOption,
}

/** The values of the options of every load stage whose data has columns. */
export type TabularOptions = z.output<z.ZodObject<typeof tabular>>

/** The schema of a load stage with these options and some of its own. */
export function tabularOptions<S extends z.core.$ZodLooseShape>(own: S) {
  return z.strictObject({ ...tabular, ...own }).refine(...pathOrFiles)
}

/** All files that the stage reads. */
export const tabularSources = ({ path, files }: Pick<TabularOptions, 'path' | 'files'>): string[] =>
  [path, ...Object.values(files ?? {})].flatMap((each) => givenFiles(each))

/** What is known of the examples before data is read. Reports options that do not go together. */
export function tabularFacts({ options, problem }: Pick<Checking<TabularOptions>, 'options' | 'problem'>): {
  examples: Facts
} {
  const { shape, classes, merge, drop, select, model, type, missing, offsets, weight } = options
  if (select && drop.length > 0) problem('drop', 'expected one of "select" and "drop"')
  if (type === 'uint8' && policies(missing).some((each) => typeof each === 'object' && !isByte(each.constant)))
    problem('missing', 'expected constants that are whole numbers from 0 to 255, because of type: uint8')
  if (type === 'uint8' && Object.keys(offsets).length > 0)
    problem('offsets', 'bytes lose no digits; leave offsets out, or type: uint8')
  if (model !== undefined) {
    for (const key of ['fractions', 'shape', 'classes'] as const)
      if (options[key] !== undefined)
        problem(key, `expected no ${key} beside "model": all rows are read as it takes them`)
    return { examples: modelFacts(model, problem) }
  }
  const splits = splitsOf(options, problem)
  const merged = classes?.map((name) => mergedLabel(labelText(name), merge))
  if (merged && new Set(merged).size < merged.length) problem('classes', 'expected names that differ after `merge`')
  return {
    examples: {
      splits,
      ...(policies(missing).some((each) => typeof each === 'string' && STATISTICS.has(each)) && {
        fitted: splits.includes('train') ? ['train'] : splits,
      }),
      ...(shape && { shape }),
      ...(classes && { classes }),
      ...(weight !== undefined && { weighted: true }),
    },
  }
}

/** What becomes of missing cells by a statistic of the rows. */
const STATISTICS: ReadonlySet<string> = new Set(['mean', 'median', 'mode'])

/** The split that folds divide. */
export const FOLDED = 'train'

/** The names of the splits. Reports options of the division that do not go together. */
function splitsOf(options: TabularOptions, problem: (path: string, message: string) => void): string[] {
  const { files, fractions: parts, group, assign, folds, to } = options
  const wrong = dealingProblem(parts, options, group !== undefined)
  if (wrong) problem(wrong.path, wrong.message)
  if (assign === 'hash' && group === undefined)
    problem('assign', 'a hash needs a column of cells that say which row it is; give group: COLUMN')
  if (group !== undefined && files && folds === undefined)
    problem('group', 'the rows of `files` are not dealt into splits; leave group out, or give folds')
  const splits = Object.keys(files ?? fractionsOf(options))
  checkFolds(options, FOLDED, problem)
  if (folds === undefined) return splits
  if (!splits.includes(FOLDED)) problem('folds', `the folds divide the split "${FOLDED}", there is none`)
  if (splits.includes(to)) problem('to', `there is a split "${to}" already; expected another name`)
  return [...splits, to]
}

/** The fractions into which the rows of `path` are divided. */
export const fractionsOf = ({
  fractions,
  folds,
}: Pick<TabularOptions, 'fractions' | 'folds'>): Readonly<Record<string, Part>> =>
  fractions ?? (folds === undefined ? SPLITS : { [FOLDED]: 1 })

function policies(missing: TabularOptions['missing']): MissingPolicy[] {
  return isPolicy(missing) ? [missing] : Object.values(missing)
}

/** Whether a setting is the rule of all columns, and not a mapping. */
function isPolicy(missing: TabularOptions['missing']): missing is MissingPolicy {
  return typeof missing === 'string' || (Object.hasOwn(missing, 'constant') && typeof missing.constant !== 'object')
}

const isByte = (value: number | string): boolean =>
  typeof value === 'string' || (Number.isInteger(value) && value >= 0 && value <= 255)

/** The rule for the missing cells of a column; `keys` are its name and its index. */
export function missingPolicy({ missing }: Pick<TabularOptions, 'missing'>, keys: readonly string[]): MissingPolicy {
  if (isPolicy(missing)) return missing
  return ruleFor(missing, keys) ?? 'error'
}

/** The rule for the texts of a column. */
export function textPolicyOf({ text }: Pick<TabularOptions, 'text'>, keys: readonly string[]): TextPolicy {
  return typeof text === 'string' ? text : (ruleFor(text, keys) ?? 'error')
}

/** The entry of a mapping for a column, or that of `*`. */
export function ruleFor<R>(rules: Readonly<Record<string, R>>, keys: readonly string[]): R | undefined {
  const key = [...keys, '*'].find((each) => Object.hasOwn(rules, each))
  return key === undefined ? undefined : rules[key]
}
