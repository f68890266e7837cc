import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  counted,
  dealing,
  defineStage,
  fractions,
  inputPath,
  modelFacts,
  modelOption,
  type NpyNumbers,
  PipelineError,
  readModelInputs,
  type StageContext,
  storedFile,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import {
  type ArrayLabels,
  classesIn,
  classIndices,
  featuresOf,
  hasNumberedClasses,
  readArrayLabels,
} from './array-labels.js'
import { type ArrayRows, modelRowTables, type SplitRows, splitTables } from './array-rows.js'
import { checkModelShape, checkWithoutModel } from './model-rows.js'
import type { NpyFile } from './npy-file.js'
import { isArchive, NumpyReader, type NumpySource } from './numpy-arrays.js'
import { classNames, pathOrFiles } from './shared-options.js'
import { ColumnRemarks } from './tabular/column-remarks.js'
import { LostDigits } from './tabular/lost-digits.js'

const help = 'give a .npz file, or a .npy file of the features and one of the labels'

const arrays = z
  .strictObject({
    features: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the array of features. Default: `x`, `features`, `data` and so on.'),
    labels: z
      .string()
      .min(1)
      .optional()
      .describe('Name of the array of labels. Default: `y`, `labels`, `target` and so on.'),
  })
  .describe(
    'The names of the arrays in a `.npz` file. Default: `x_train` or `train_images` for the split `train` and so on, then ' +
      '`x`, `X`, `features`, `data`, `images`; `y`, `labels`, `target` in the same way.',
  )

const labelsFile = inputPath(help).describe('A `.npy` file of the labels of the rows in `path`.')

const source = z.strictObject({
  path: inputPath(help).describe('A `.npz` file, or a `.npy` file of features.'),
  labels: labelsFile.optional(),
  arrays: arrays.optional(),
})

const oneOrMore = z.union([inputPath(help), source])

const options = z
  .strictObject({
    path: inputPath(help)
      .optional()
      .describe('A `.npz` file with features and labels, or a `.npy` file of features. One of `path` and `files`.'),
    labels: labelsFile.optional(),
    arrays: arrays.optional(),
    files: z
      .record(z.string(), z.union([oneOrMore, z.array(oneOrMore).min(1)]))
      .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
      .optional()
      .describe(
        'The files of each split: a `.npz` file, a mapping of `path`, `labels` and `arrays`, or a list of these, such as ' +
          '{ train: { path: x.npy, labels: y.npy } }. One of `path` and `files`.',
      ),
    fractions: fractions
      .optional()
      .describe(
        'Share of the rows of `path` in each split, such as { train: 0.8, test: 0.2 }. Rows are assigned by a seeded ' +
          'permutation. Default: all of them are the split `train`, in the order of the file.',
      ),
    ...dealing,
    classes: classNames
      .optional()
      .describe(
        'The class names. Labels that are numbers are indices into them, labels that are texts must be among them. ' +
          'Default: the labels that occur.',
      ),
    model: modelOption,
  })
  .refine(...pathOrFiles)

type Options = z.output<typeof options>

/**
 * Loads arrays that NumPy saved: features `[rows, …]` and one label per row, in a `.npz` file or in two `.npy` files. A row
 * has the shape of an entry of the first axis.
 *
 * Unsigned bytes and truth values stay bytes, all other numbers become float32. Files are read in pieces. An array in
 * Fortran order is held whole until it is read.
 */
export const numpy = defineStage({
  name: 'load/numpy',
  summary: 'Loads arrays from .npy and .npz files of NumPy.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { path: 'whole', labels: 'whole' },
  example: '- use: load/numpy\n  with: { path: mnist.npz, fractions: { train: 0.9, validation: 0.1 } }',
  holds:
    'every split: a byte per feature of uint8 arrays, else 4; in a divided run the shards of this rank; an array in Fortran ' +
    'order once more; before cache/arrow what fits into three quarters of `memory:`',
  parallel: 'every',
  answers: ['pieces'],
  sources: (options) => [
    ...new Set(
      sourcesOf(options).flatMap(([, sources]) =>
        sources.flatMap(({ path, labels }) => (labels === undefined ? [path] : [path, labels])),
      ),
    ),
    ...(options.model === undefined ? [] : [storedFile(options.model)]),
  ],
  facts: ({ options, problem }) => {
    const { files, path, labels, arrays, fractions, classes, model } = options
    if (files) {
      if (labels !== undefined) problem('labels', '`labels` belongs to `path`; give it to the split in `files`')
      if (arrays !== undefined) problem('arrays', '`arrays` belongs to `path`; give it to the split in `files`')
      if (fractions !== undefined) problem('fractions', 'fractions divide `path`; with `files` the splits are given')
    }
    for (const [at, { path, labels, arrays }] of places(options)) {
      if (isArchive(path)) continue
      if (labels === undefined && model === undefined)
        problem(at, 'a .npy file has features only; give its `labels` too')
      if (arrays !== undefined) problem(at, '`arrays` are names in a .npz file, this is a .npy file')
    }
    if (model !== undefined) {
      checkWithoutModel(options, ['fractions', 'classes'], problem)
      return { examples: modelFacts(model, problem) }
    }
    const splits = path === undefined ? Object.keys(files ?? {}) : Object.keys(fractions ?? { train: 1 })
    return { examples: { splits, ...(classes && { classes }) } }
  },
  run: (options, context) =>
    context.flow.pull(
      options.model === undefined ? tablesOf(options, context) : tablesForModel(options, options.model, context),
    ),
})

/** The sources of each split, and where the option stands. */
function places({ path, labels, arrays, files }: Options): [at: string, NumpySource, split: string][] {
  if (path !== undefined) return [['path', { path, labels, arrays }, 'train']]
  return Object.entries(files ?? {}).flatMap(([split, given]) =>
    (Array.isArray(given) ? given : [given]).map((each, i): [string, NumpySource, string] => [
      Array.isArray(given) ? `files.${split}[${i}]` : `files.${split}`,
      typeof each === 'string' ? { path: each } : each,
      split,
    ]),
  )
}

function sourcesOf(options: Options): [split: string, NumpySource[]][] {
  const splits = new Map<string, NumpySource[]>()
  for (const [, source, split] of places(options)) splits.set(split, [...(splits.get(split) ?? []), source])
  return [...splits]
}

/** The features of some rows, and their labels. */
interface Opened {
  readonly features: () => Promise<NpyFile>
  readonly labels: ArrayLabels | undefined
}

async function* tablesOf(options: Options, context: StageContext): AsyncGenerator<Table> {
  const reader = new NumpyReader(context)
  // All labels are read first: they tell the classes and into which split each row goes.
  const read: [string, Opened[]][] = []
  for (const [split, sources] of sourcesOf(options)) {
    const opened: Opened[] = []
    for (const source of sources) {
      const { features, labels } = await reader.pairOf(split, source)
      if (!labels)
        throw new PipelineError(
          'DATA',
          `${source.path}: has no array of labels (y, labels, target); say which it is: \`arrays: { labels: … }\``,
        )
      opened.push({ features, labels: await readArrayLabels(await labels(), false, context) })
    }
    read.push([split, opened])
  }
  const classes = options.classes ?? classesIn(read.flatMap(([, opened]) => opened.map(({ labels }) => labels!)))
  const lost = new LostDigits()
  const splits: SplitRows[] = []
  for (const [split, opened] of read) {
    const rows: ArrayRows[] = []
    for (const { features, labels } of opened)
      rows.push(
        await rowsOf(
          features,
          classIndices(labels!, classes, options.classes === undefined, ' of `classes`'),
          labels!.place,
          lost,
        ),
      )
    splits.push([split, rows])
  }
  reader.noteUnused()
  yield* splitTables(splits, classes, options, context)
  noteLost(lost, context)
}

async function* tablesForModel(options: Options, path: string, context: StageContext): AsyncGenerator<Table> {
  const model = readModelInputs(path)
  const reader = new NumpyReader(context)
  const lost = new LostDigits()
  const rows: ArrayRows[] = []
  for (const [split, sources] of sourcesOf(options))
    for (const source of sources) {
      const { features, labels } = await reader.pairOf(options.files ? split : '', source)
      const read = labels && (await readArrayLabels(await labels(), true, context))
      const indices = read && classIndices(read, model.classes, hasNumberedClasses(model), ' of the model')
      const opened = await rowsOf(features, indices, read?.place ?? '', lost)
      checkModelShape(opened.path, opened.shape, model)
      rows.push(opened)
    }
  reader.noteUnused()
  yield* modelRowTables(rows, model.classes, context)
  noteLost(lost, context)
}

/**
 * Looks at the header of the features; they are opened again to be read, so that few files are open at a time. Throws a
 * PipelineError `DATA` if there are no rows, texts for features, or not as many labels as rows.
 */
async function rowsOf(
  features: () => Promise<NpyFile>,
  labels: Int32Array | undefined,
  labelsPlace: string,
  lost: LostDigits,
): Promise<ArrayRows> {
  const file = await features()
  await file.close()
  const { place, header } = file
  const [count = 0, ...rest] = header.shape
  if (header.kind === 'U' || header.kind === 'S')
    throw new PipelineError(
      'DATA',
      `${place}: expected numbers as features, found texts; are features and labels interchanged?`,
    )
  if (header.shape.length === 0 || header.length === 0)
    throw new PipelineError(
      'DATA',
      `${place}: expected rows, found an array of ${header.shape.join(' × ') || 'no axis'}`,
    )
  if (labels && labels.length !== count)
    throw new PipelineError(
      'DATA',
      `${place}: expected ${counted(labels.length, 'row')}, one per label in ${labelsPlace}, found ${count}; do both belong together?`,
    )
  const shape = shapeOf(rest)
  const width = widthOf(shape)
  return {
    path: place,
    shape,
    type: header.kind === 'b' || (header.kind === 'u' && header.size === 1) ? 'uint8' : 'float32',
    labels: labels ?? new Int32Array(count).fill(-1),
    blocks: async function* () {
      const remarks = new ColumnRemarks()
      let row = 0
      for await (const block of (await features()).blocks()) {
        yield featuresOf(block as NpyNumbers, place, row, width, remarks)
        row += block.length / width
      }
      lost.add(place, remarks.ranges())
    },
  }
}

/** The shape of a row: images of `[height, width]` have one channel, as those of load/idx. */
function shapeOf(axes: readonly number[]): readonly number[] {
  if (axes.length === 0) return [1]
  return axes.length === 2 ? [1, ...axes] : axes
}

function noteLost(lost: LostDigits, context: StageContext): void {
  const note = lost.noteOnArrays()
  if (note !== undefined) context.note(note)
}
