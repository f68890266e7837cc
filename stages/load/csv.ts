import { defineStage, z } from '../../pipeline/stage-kit.js'
import { readCsv } from './csv/rows.js'
import { tabularExamples } from './tabular/examples.js'
import { tabularFacts, tabularOptions, tabularStage } from './tabular/options.js'

const options = tabularOptions({
  header: z.boolean().default(true).describe('Whether the first line names the columns.'),
  skip: z.int().nonnegative().default(0).describe('Lines to leave out at the start of each file, before the header.'),
  delimiter: z.string().length(1).default(',').describe('The character between two cells.'),
  decimal: z.enum(['.', ',']).default('.').describe('The character before the fraction of a number.'),
  encoding: z
    .string()
    .refine(isEncoding, { error: 'expected the name of an encoding, such as utf-16le, latin1 or windows-1251' })
    .optional()
    .describe('The encoding of the files. Default: UTF-8, or UTF-16 if a file begins with its byte order mark.'),
})

/** Whether a label of the Encoding Standard names an encoding that Node can decode. */
function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== ''
  } catch {
    return false
  }
}

/**
 * Loads examples from CSV files: numbers, and texts as categories, as features; one column as the label. Files may be
 * packed by gzip, and may mix line endings.
 *
 * Labels are texts (`labelText`). The classes are the labels that occur in any of the files: in the order of their value
 * if all are whole numbers, else in the order of their text. Rows of different lengths, cells that are no finite
 * numbers, missing cells and texts (unless options say what becomes of them), bytes that are no text and unknown labels
 * are errors that name file, line and column.
 */
export const csv = defineStage({
  name: 'load/csv',
  summary: 'Loads examples from CSV files.',
  options,
  ...tabularStage,
  example: '- use: load/csv\n  with: { path: wine.csv, label: cultivar, fractions: { train: 0.8, test: 0.2 } }',
  holds:
    'every split, 4 bytes per cell, and as much again until the splits are made; a divided run then keeps the shards of this rank; ' +
    'before cache/arrow what fits into three quarters of `memory:`, for a model a piece',
  facts: (checking) => {
    const { delimiter, decimal } = checking.options
    if (delimiter === decimal)
      checking.problem('delimiter', `expected another character than that of decimal: "${decimal}"`)
    return tabularFacts(checking)
  },
  run: (options, context) => context.flow.pull(tabularExamples(options, context, readCsv)),
})
