import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  dealing,
  defineStage,
  fractions,
  inputPath,
  type ModelInputs,
  modelFacts,
  modelOption,
  PipelineError,
  readModelInputs,
  type StageContext,
  storedFile,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { type ArrayRows, splitTables as arrayTables } from './array-rows.js'
import { type IdxFile, openIdx } from './idx-file.js'
import { idxFilesGiven } from './idx-given.js'
import {
  checkModelShape,
  checkWithoutModel,
  classesOfBytes,
  type ModelRows,
  modelTables,
  noClassOfModel,
} from './model-rows.js'
import { classNames } from './shared-options.js'
import { foundFile } from './source-file.js'

const help =
  'name the folder of the files as `directory`, and the files of each split in `files`; millrace fetch downloads mnist and fashion-mnist'

const pair = z.strictObject({
  images: z.string().min(1).describe('File of the images.'),
  labels: z.string().min(1).optional().describe('File of their labels. Only with `model`, it may be left out.'),
})

const options = z.strictObject({
  directory: inputPath(help).describe('Folder of the files, such as that of MNIST or Fashion-MNIST.'),
  files: z
    .record(z.string(), pair)
    .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
    .default({
      train: { images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' },
      test: { images: 't10k-images-idx3-ubyte', labels: 't10k-labels-idx1-ubyte' },
    })
    .describe('The two files of each split. `.gz` is added to a name if only the packed file exists.'),
  fractions: fractions
    .optional()
    .describe(
      'Share of the images of the `train` files in each split, such as { train: 0.9, validation: 0.1 }. Rows are assigned ' +
        'by a seeded permutation. Default: all of them are the split `train`, in the order of the file.',
    ),
  ...dealing,
  classes: classNames
    .optional()
    .describe('The class names, in the order of the labels from 0. Default: the labels that occur, as numbers.'),
  model: modelOption,
})

type Options = z.output<typeof options>

/**
 * Loads images and labels from IDX files, the format of MNIST (Y. LeCun, C. Cortes, C. Burges), which Fashion-MNIST,
 * KMNIST and others share: unsigned bytes, each split as a file of images and a file of labels. They may be packed by
 * gzip, and are read piece by piece.
 *
 * Pixels stay uint8. Images of `[height, width]` become examples of the shape `[1, height, width]`.
 */
export const idx = defineStage({
  name: 'load/idx',
  summary: 'Loads images and labels from IDX files, the format of MNIST and Fashion-MNIST.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { directory: 'whole' },
  example:
    '- use: load/idx\n  with: { directory: /usr/share/datasets/fashion-mnist, fractions: { train: 0.9, validation: 0.1 } }',
  holds:
    'every split, as uint8: 784 bytes per image of 28 × 28; in a divided run the shards of this rank; before cache/arrow what fits ' +
    'into three quarters of `memory:`',
  parallel: 'every',
  optionsFor: idxFilesGiven,
  answers: ['pieces'],
  sources: ({ directory, files, model }) => [
    ...Object.values(files).flatMap(({ images, labels }) =>
      [images, labels].flatMap((name) => (name === undefined ? [] : [foundFile(join(directory, name))])),
    ),
    ...(model === undefined ? [] : [storedFile(model)]),
  ],
  facts: ({ options, problem }) => {
    const { files, fractions, classes, model } = options
    if (model !== undefined) {
      checkWithoutModel(options, ['fractions', 'classes'], problem)
      return { examples: modelFacts(model, problem) }
    }
    for (const [split, { labels }] of Object.entries(files))
      if (labels === undefined) problem(`files.${split}`, 'expected `labels`, the file of the labels of these images')
    if (fractions && !files.train)
      problem('fractions', 'expected a split `train` among the files, which the fractions divide')
    const others = Object.keys(files).filter((split) => split !== 'train')
    for (const split of Object.keys(fractions ?? {}))
      if (others.includes(split)) problem(`fractions.${split}`, `the split "${split}" has files of its own`)
    const splits = Object.keys(files).flatMap((split) => splitNames(split, fractions))
    return { examples: { splits, ...(classes && { classes }) } }
  },
  run: (options, context) =>
    context.flow.pull(
      options.model === undefined ? splitTables(options, context) : rowsForModel(options, options.model, context),
    ),
})

/** The splits that are made of the files of one split. */
function splitNames(split: string, fractions: Options['fractions']): string[] {
  return split === 'train' && fractions ? Object.keys(fractions) : [split]
}

/** The labels of a split, and its files. */
interface Labelled {
  readonly split: string
  /** The file of the labels. */
  readonly path: string
  /** The file of the images. */
  readonly images: string
  readonly labels: Uint8Array
}

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  // All labels are read first: they are small, and they tell the classes and into which split each image goes.
  const all: Labelled[] = []
  for (const [split, { images, labels }] of Object.entries(options.files)) {
    const path = foundFile(join(options.directory, labels!))
    const read = await readLabels(path, options.classes, context)
    all.push({ split, path, images: foundFile(join(options.directory, images)), labels: read })
  }
  const classes = options.classes ?? numbered(all.map(({ labels }) => labels))
  let sizes: { readonly path: string; readonly of: readonly number[] } | undefined
  for (const labelled of all) {
    const file = await openImages(labelled, sizes, context)
    sizes ??= { path: file.path, of: file.sizes.slice(1) }
    const rows: ArrayRows = {
      path: file.path,
      shape: sizes.of.length === 2 ? [1, ...sizes.of] : sizes.of,
      type: 'uint8',
      labels: Int32Array.from(labelled.labels),
      blocks: () => file.blocks(),
    }
    const fractions = labelled.split === 'train' ? options.fractions : undefined
    const division = { ...options, fractions, isNumbered: options.fractions !== undefined }
    yield* arrayTables([[labelled.split, [rows]]], classes, division, context)
  }
}

async function* rowsForModel(options: Options, path: string, context: StageContext): AsyncGenerator<Table> {
  const model = readModelInputs(path)
  async function* pieces(): AsyncGenerator<ModelRows> {
    for (const { images, labels } of Object.values(options.files)) {
      const all = labels === undefined ? undefined : await readCodes(join(options.directory, labels), model, context)
      yield* imagesForModel(foundFile(join(options.directory, images)), all, model, context)
    }
  }
  yield* modelTables(model, pieces(), context)
}

/** The classes of the images, by their bytes in a file of labels. */
async function readCodes(file: string, model: ModelInputs, context: StageContext): Promise<LabelCodes> {
  const path = foundFile(file)
  const labels = await readLabels(path, undefined, context)
  const codeOf = classesOfBytes(model)
  const codes = Int32Array.from(labels, (label, i) => {
    const code = codeOf(label)
    if (code === undefined) throw noClassOfModel(`${path}: label ${i}`, label, model)
    return code
  })
  return { path, codes }
}

/** The class of each image, and the file that says so. */
interface LabelCodes {
  readonly path: string
  readonly codes: Int32Array
}

async function* imagesForModel(
  path: string,
  labels: LabelCodes | undefined,
  model: ModelInputs,
  context: StageContext,
): AsyncGenerator<ModelRows> {
  const check = ([count = 0, ...of]: readonly number[]): void => {
    if (labels && count !== labels.codes.length) throw unlikeCounts(path, labels.path, labels.codes.length, count)
    checkModelShape(path, of.length === 2 ? [1, ...of] : of, model)
  }
  const width = widthOf(model.shape)
  const file = await openIdx(path, { items: 'images', dimensions: [2, 4], check }, context, help)
  let row = 0
  for await (const block of file.blocks()) {
    const rows = block.length / width
    const codes = labels?.codes.slice(row, row + rows) ?? new Int32Array(rows).fill(-1)
    row += rows
    yield { values: block.slice(), labels: codes }
  }
}

function unlikeCounts(images: string, labels: string, expected: number, found: number): PipelineError {
  return new PipelineError(
    'DATA',
    `${images}: expected ${expected} images, one per label in ${labels}, found ${found}; are both files of the same split?`,
  )
}

/** Returns the labels that occur, as the names of classes, and replaces each label by the number of its class. */
function numbered(splits: readonly Uint8Array[]): string[] {
  const occurs = new Set<number>()
  for (const labels of splits) for (const label of labels) occurs.add(label)
  const found = [...occurs].sort((a, b) => a - b)
  const codes = new Uint8Array(256)
  for (const [code, label] of found.entries()) codes[label] = code
  for (const labels of splits) for (let i = 0; i < labels.length; i++) labels[i] = codes[labels[i]!]!
  return found.map(String)
}

async function readLabels(
  path: string,
  classes: readonly string[] | undefined,
  context: StageContext,
): Promise<Uint8Array> {
  const file = await openIdx(path, { items: 'labels', dimensions: [1, 1] }, context, help)
  const labels = new Uint8Array(file.sizes[0]!)
  let at = 0
  for await (const block of file.blocks()) {
    labels.set(block, at)
    at += block.length
  }
  const wrong = classes ? labels.findIndex((label) => label >= classes.length) : -1
  if (wrong < 0) return labels
  throw new PipelineError(
    'DATA',
    `${path}: label ${wrong}: expected a number from 0 to ${classes!.length - 1}, because \`classes\` has ` +
      `${classes!.length} names, found ${labels[wrong]}; give a name to every class`,
  )
}

function openImages(
  { images, labels, path }: Labelled,
  first: { readonly path: string; readonly of: readonly number[] } | undefined,
  context: StageContext,
): Promise<IdxFile> {
  const check = ([count, ...of]: readonly number[]): void => {
    if (count !== labels.length) throw unlikeCounts(images, path, labels.length, count!)
    if (first && String(of) !== String(first.of))
      throw new PipelineError(
        'DATA',
        `${images}: expected images of ${first.of.join(' × ')}, as in ${first.path}, found ${of.join(' × ')}; ` +
          'all splits need images of one size',
      )
  }
  return openIdx(images, { items: 'images', dimensions: [2, 4], check }, context, help)
}
