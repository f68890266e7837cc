import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  defineStage,
  exampleFields,
  inputPath,
  PipelineError,
  ShardBuffer,
  type StageContext,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { type CsvRows, readCsv } from './csv-rows.js'
import { deal, fractions } from './fractions.js'

const options = z
  .strictObject({
    path: inputPath().optional().describe('One file, divided into splits by `fractions`.'),
    fractions: fractions
      .default({ train: 0.7, validation: 0.15, test: 0.15 })
      .describe('Share of the rows of `path` in each split. Rows are assigned by a seeded permutation.'),
    files: z
      .record(z.string(), inputPath())
      .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
      .optional()
      .describe('One file per split, instead of `path`.'),
    header: z.boolean().default(true).describe('Whether the first line names the columns.'),
    delimiter: z.string().length(1).default(',').describe('The character between two cells.'),
    label: z
      .union([z.string().min(1), z.int()])
      .default(-1)
      .describe('The label column: its name, or its index from 0 (negative: from the end).'),
    drop: z.array(z.string().min(1)).default([]).describe('Names of columns to leave out.'),
    classes: z
      .array(z.string().min(1))
      .min(2)
      .refine((names) => new Set(names).size === names.length, { error: 'expected names that differ' })
      .optional()
      .describe('The class names, in order. Default: all labels in the data.'),
    shape: z.array(z.int().positive()).min(1).optional().describe('Shape of one example, for instance [1, 8, 8].'),
  })
  .refine((given) => (given.path === undefined) !== (given.files === undefined), {
    error: 'expected one of "path" and "files"',
  })

type Options = z.output<typeof options>

/**
 * Loads examples from CSV files: numbers as float32 features, one column as the label.
 *
 * If all labels are integers from 0, they are class indices; otherwise the classes are the sorted labels. Rows of
 * different lengths, cells that are no finite numbers and unknown labels are errors that name file, line and column.
 */
export const csv = defineStage({
  name: 'load/csv',
  summary: 'Loads examples from CSV files.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  example: '- use: load/csv\n  with: { path: wine.csv, label: cultivar, fractions: { train: 0.8, test: 0.2 } }',
  holds: 'every split, 4 bytes per cell; in a divided run the shards of this rank, once all is read',
  parallel: 'every',
  sources: ({ path, files }) => (path === undefined ? Object.values(files ?? {}) : [path]),
  facts: ({ options }) => ({
    examples: {
      splits: Object.keys(options.files ?? options.fractions),
      ...(options.shape && { shape: options.shape }),
      ...(options.classes && { classes: options.classes }),
    },
  }),
  run: (options, context) => context.flow.pull(splitTables(options, context)),
})

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  const named = options.path === undefined ? Object.entries(options.files ?? {}) : [['', options.path] as const]
  const read: [string, CsvRows][] = []
  for (const [split, path] of named) read.push([split, await readCsv(path, options, context)])
  const [, first] = read[0]!
  for (const [, rows] of read) checkColumns(rows, first)
  const classes = options.classes ?? classesOf(read.flatMap(([, rows]) => rows.labels))
  const shape = options.shape ?? [first.width]
  if (widthOf(shape) !== first.width)
    throw new PipelineError('DATA', `${first.path}: expected ${shape.join('×')} features, found ${first.width}`)

  const fields = exampleFields({ shape, classes, names: first.names }, new Float32Array(0))
  const index = new Map(classes.map((name, i) => [name, i]))
  for (const [name, rows] of read) {
    const all = Uint32Array.from({ length: rows.labels.length }, (_, i) => i)
    const splits =
      options.path === undefined ? [[name, all] as const] : deal(all.length, options.fractions, context.random('split'))
    for (const [split, order] of splits) {
      const dealt = new ShardBuffer(context.parallel, order.length, first.width, (length) => floats(length, context))
      for (const [i, row] of order.entries()) {
        const values = rows.values.subarray(row * first.width, (row + 1) * first.width)
        dealt.put(i, values, labelOf(rows, row, index, classes))
      }
      yield* dealt.tables(fields, split)
    }
  }
}

function floats(length: number, { kernels }: StageContext): Float32Array {
  const bytes = kernels.allocate(length * Float32Array.BYTES_PER_ELEMENT)
  return new Float32Array(bytes.buffer, bytes.byteOffset, length)
}

/** Throws if two files have different numbers of features, or different names of features. */
function checkColumns(rows: CsvRows, first: CsvRows): void {
  if (rows.width !== first.width)
    throw new PipelineError('DATA', `${rows.path} has ${rows.width} features, ${first.path} has ${first.width}`)
  const at = rows.names?.findIndex((name, i) => name !== first.names?.[i]) ?? -1
  if (at >= 0)
    throw new PipelineError(
      'DATA',
      `${rows.path} has the column "${rows.names![at]}" where ${first.path} has "${first.names![at]}"`,
    )
}

/** Class indices `0 … n - 1` if all labels are integers from 0, else the sorted labels. */
function classesOf(labels: readonly string[]): string[] {
  const distinct = [...new Set(labels)]
  if (distinct.every((label) => /^\d{1,4}$/.test(label))) {
    const count = Math.max(...distinct.map(Number)) + 1
    return Array.from({ length: count }, (_, i) => String(i))
  }
  return distinct.sort()
}

function labelOf(rows: CsvRows, row: number, index: ReadonlyMap<string, number>, classes: readonly string[]): number {
  const text = rows.labels[row]!
  const found = index.get(text) ?? index.get(String(Number(text)))
  if (found !== undefined) return found
  throw new PipelineError(
    'DATA',
    `${rows.path}:${rows.lines[row]}: expected a label among ${classes.join(', ')}, got "${text}"`,
  )
}
