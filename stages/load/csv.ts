import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  defineStage,
  exampleFields,
  inputPath,
  labelText,
  mergedLabel,
  PipelineError,
  ShardBuffer,
  type StageContext,
  turn,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { type CsvRows, readCsv } from './csv-rows.js'
import { dealing, dealRows, fractions } from './fractions.js'
import { LabelCodes } from './label-codes.js'

/** A name, or an index from 0 (negative: from the end). */
const column = z.union([z.string(), z.int()])

const options = z
  .strictObject({
    path: inputPath().optional().describe('One file, divided into splits by `fractions`.'),
    fractions: fractions
      .default({ train: 0.7, validation: 0.15, test: 0.15 })
      .describe('Share of the rows of `path` in each split. Rows are assigned by a seeded permutation.'),
    ...dealing,
    files: z
      .record(z.string(), inputPath())
      .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
      .optional()
      .describe('One file per split, instead of `path`.'),
    header: z.boolean().default(true).describe('Whether the first line names the columns.'),
    delimiter: z.string().length(1).default(',').describe('The character between two cells.'),
    encoding: z
      .string()
      .refine(isEncoding, { error: 'expected the name of an encoding, such as utf-16le, latin1 or windows-1251' })
      .optional()
      .describe('The encoding of the files. Default: UTF-8, or UTF-16 if a file begins with its byte order mark.'),
    label: column.default(-1).describe('The label column: its name, or its index from 0 (negative: from the end).'),
    drop: z
      .array(column)
      .default([])
      .describe('Columns to leave out, by name or index. An unnamed column has the name "".'),
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
  })
  .refine((given) => (given.path === undefined) !== (given.files === undefined), {
    error: 'expected one of "path" and "files"',
  })

type Options = z.output<typeof options>

/** Whether a label of the Encoding Standard names an encoding that Node can decode. */
function isEncoding(label: string): boolean {
  try {
    return new TextDecoder(label).encoding !== ''
  } catch {
    return false
  }
}

/**
 * Loads examples from CSV files: numbers as float32 features, one column as the label. Files may be packed by gzip, and
 * may mix line endings.
 *
 * Labels are texts (`labelText`). The classes are the labels that occur in any of the files: in the order of their value
 * if all are whole numbers, else in the order of their text. Rows of different lengths, cells that are no finite
 * numbers, bytes that are no text and unknown labels are errors that name file, line and column.
 */
export const csv = defineStage({
  name: 'load/csv',
  summary: 'Loads examples from CSV files.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { path: 'whole' },
  example: '- use: load/csv\n  with: { path: wine.csv, label: cultivar, fractions: { train: 0.8, test: 0.2 } }',
  holds:
    'every split, 4 bytes per cell, and as much again until the splits are made; a divided run then keeps the shards of this rank',
  parallel: 'every',
  sources: ({ path, files }) => (path === undefined ? Object.values(files ?? {}) : [path]),
  facts: ({ options: { files, fractions, shape, classes, merge }, problem }) => {
    const merged = classes?.map((name) => mergedLabel(labelText(name), merge))
    if (merged && new Set(merged).size < merged.length) problem('classes', 'expected names that differ after `merge`')
    return {
      examples: { splits: Object.keys(files ?? fractions), ...(shape && { shape }), ...(classes && { classes }) },
    }
  },
  run: (options, context) => context.flow.pull(splitTables(options, context)),
})

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  const named = options.path === undefined ? Object.entries(options.files ?? {}) : [['', options.path] as const]
  const labels = new LabelCodes(options.classes, options.merge)
  const read: [string, CsvRows][] = []
  for (const [split, path] of named) {
    const rows = await readCsv(path, options, labels, context)
    checkColumns(rows, read[0]?.[1] ?? rows)
    read.push([split, rows])
  }
  const [, first] = read[0]!
  const { width } = first.rows
  const shape = options.shape ?? [width]
  if (widthOf(shape) !== width)
    throw new PipelineError('DATA', `${first.path}: expected ${shape.join('×')} features, found ${width}`)
  const { classes, classOf } = labels.classes(context)
  const fields = exampleFields({ shape, classes, names: first.names }, new Float32Array(0))
  for (const [name, { rows }] of read) {
    const all = Int32Array.from({ length: rows.count }, (_, row) => classOf[rows.label(row)]!)
    const splits: Iterable<[string, Uint32Array]> =
      options.path === undefined
        ? [[name, Uint32Array.from(all.keys())]]
        : await dealRows(all, options.fractions, options, context)
    for (const [split, order] of splits) {
      const dealt = new ShardBuffer(context.parallel, order.length, width, (length) => floats(length, context))
      for (const [i, row] of order.entries()) {
        dealt.put(i, rows.row(row), all[row]!)
        if (i % 1024 === 0) await turn(context)
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
function checkColumns({ path, names, rows }: CsvRows, first: CsvRows): void {
  if (rows.width !== first.rows.width)
    throw new PipelineError('DATA', `${path} has ${rows.width} features, ${first.path} has ${first.rows.width}`)
  const at = names?.findIndex((name, i) => name !== first.names?.[i]) ?? -1
  if (at >= 0)
    throw new PipelineError(
      'DATA',
      `${path} has the column "${names![at]}" where ${first.path} has "${first.names![at]}"`,
    )
}
