import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  counted,
  dealing,
  defineStage,
  fileProblem,
  fractions,
  inputPath,
  listed,
  type ModelInputs,
  modelFacts,
  modelOption,
  PipelineError,
  readModelInputs,
  type StageContext,
  someOf,
  storedFile,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { type ArrayRows, modelRowTables, type SplitRows, splitTables } from './array-rows.js'
import { areEnough, corruptImages, ImageDecoder } from './image-decoding.js'
import { type ImageFile, type ImageFolder, listImages } from './image-folders.js'
import { checkWithoutModel, noClassOfModel } from './model-rows.js'
import { writePlanes } from './resize.js'
import { pathOrFiles } from './shared-options.js'

const help = 'give a folder that has a folder of images per class'

const folders = z.union([inputPath(help), z.array(inputPath(help)).min(1)])

const options = z
  .strictObject({
    path: inputPath(help).optional().describe('A folder with a folder of images per class. One of `path` and `files`.'),
    files: z
      .record(z.string(), folders)
      .refine((files) => Object.keys(files).length > 0, { error: 'expected at least one split' })
      .optional()
      .describe(
        'Such a folder, or a list of them, for each split: { train: train, test: val }. One of `path` and `files`.',
      ),
    fractions: fractions
      .optional()
      .describe(
        'Share of the images of `path` in each split, such as { train: 0.8, test: 0.2 }. Images are assigned by a seeded ' +
          'permutation. Default: all of them are the split `train`, in the order of their names.',
      ),
    ...dealing,
    shape: z
      .tuple([z.union([z.literal(3), z.literal(1)]), z.int().positive().max(4096), z.int().positive().max(4096)])
      .optional()
      .describe(
        'Shape of an example: 3 channels (colours) or 1 (gray), height and width. Images of other sizes are resized to it. ' +
          'Default: colours in the size of the first image, which all images must have.',
      ),
    corrupt: z
      .enum(['error', 'skip'])
      .default('error')
      .describe(
        'What to do about images that cannot be decoded: `error` names them all, `skip` leaves them out with a note. All images ' +
          'are then decoded twice.',
      ),
    model: modelOption,
  })
  .refine(...pathOrFiles)

type Options = z.output<typeof options>

/** Bytes of a block of rows, unless one row has more. */
const BLOCK = 1 << 18

/**
 * Loads images, PNG or JPEG, from a folder per class. The classes are the names of the folders, in order. Images in folders
 * inside the folder of a class belong to it, too. Palettes, gray, 16 bits and transparency (laid on black) become three bytes
 * per pixel; JPEG images are turned as their camera says.
 *
 * Pixels stay uint8, `[channels, height, width]`. JPEG images need the optional package sharp.
 */
export const images = defineStage({
  name: 'load/images',
  summary: 'Loads PNG and JPEG images from a folder per class.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  // The content is checked.
  onResume: { path: 'whole' },
  example: '- use: load/images\n  with: { path: photos, shape: [3, 32, 32], fractions: { train: 0.8, test: 0.2 } }',
  holds:
    'every split, as uint8, and a few images while they are decoded; in a divided run the shards of this rank; ' +
    'before cache/arrow what fits into three quarters of `memory:`',
  parallel: 'every',
  answers: ['pieces'],
  sources: (options) => [
    ...foldersOf(options).flatMap(([, paths]) => paths.flatMap(filesIn)),
    ...(options.model === undefined ? [] : [storedFile(options.model)]),
  ],
  facts: ({ options, problem }) => {
    const { path, files, fractions, shape, model } = options
    if (files && fractions) problem('fractions', 'fractions divide `path`; with `files` the splits are given')
    if (model !== undefined) {
      checkWithoutModel(options, ['fractions', 'shape'], problem)
      return { examples: modelFacts(model, problem) }
    }
    const splits = path === undefined ? Object.keys(files ?? {}) : Object.keys(fractions ?? { train: 1 })
    return { examples: { splits, ...(shape && { shape }) } }
  },
  run: (options, context) =>
    context.flow.pull(
      options.model === undefined
        ? tablesOf(options, context)
        : tablesForModel(options, readModelInputs(options.model), context),
    ),
})

function foldersOf({ path, files }: Options): [split: string, paths: string[]][] {
  if (path !== undefined) return [['train', [path]]]
  return Object.entries(files ?? {}).map(([split, given]) => [split, Array.isArray(given) ? given : [given]])
}

/** The images in a folder, for the check before the run; the folder itself if it cannot be read, for the check to say why. */
function filesIn(folder: string): string[] {
  try {
    return listImages(folder).images.map(({ path }) => path)
  } catch {
    return [folder]
  }
}

/** The images of a split. */
interface Listed {
  readonly split: string
  readonly folder: string
  readonly images: readonly ImageFile[]
  readonly classes: readonly string[]
}

async function* tablesOf(options: Options, context: StageContext): AsyncGenerator<Table> {
  const all = listAll(options, context)
  for (const { folder, images, classes } of all) {
    const beside = images.filter(({ className }) => className === undefined)
    if (beside.length === images.length)
      throw new PipelineError('DATA', `${folder} has no folders with images (.png, .jpg, .jpeg); ${help}`)
    if (beside.length > 0)
      throw new PipelineError(
        'DATA',
        `${folder}: expected images in folders of classes (${someOf(classes)}), found ${someOf(beside.map(({ path }) => path))} beside them`,
      )
  }
  const classes = [...new Set(all.flatMap(({ classes }) => classes))].sort()
  const indices = new Map(classes.map((name, i) => [name, i]))
  const decoder = new ImageDecoder(context)
  try {
    const shape = options.shape ?? (await firstShape(all[0]!.images, decoder))
    const splits: SplitRows[] = []
    for (const [split] of foldersOf(options)) {
      const rows: ArrayRows[] = []
      for (const { folder, images } of all.filter((each) => each.split === split)) {
        const good = options.corrupt === 'skip' ? await withoutCorrupt(images, decoder, context) : images
        rows.push(
          rowsOf(folder, good, (name) => indices.get(name)!, shape, options.shape !== undefined, decoder, context),
        )
      }
      splits.push([split, rows])
    }
    yield* splitTables(splits, classes, options, context)
  } finally {
    await decoder.close()
  }
}

async function* tablesForModel(options: Options, model: ModelInputs, context: StageContext): AsyncGenerator<Table> {
  const { shape, classes } = model
  if (shape.length !== 3 || (shape[0] !== 1 && shape[0] !== 3))
    throw new PipelineError(
      'DATA',
      `the model takes examples of ${shape.join(' × ')}; images have 1 or 3 channels, a height and a width`,
    )
  const decoder = new ImageDecoder(context)
  try {
    const rows: ArrayRows[] = []
    for (const { folder, images } of listAll(options, context)) {
      if (images.length === 0) throw new PipelineError('DATA', `${folder} has no images (.png, .jpg, .jpeg)`)
      const good = options.corrupt === 'skip' ? await withoutCorrupt(images, decoder, context) : images
      const indexOf = (name: string): number => {
        const index = classes.indexOf(name)
        if (index < 0) throw noClassOfModel(folder, `a folder ${name}`, model)
        return index
      }
      rows.push(rowsOf(folder, good, indexOf, shape, true, decoder, context))
    }
    yield* modelRowTables(rows, classes, context)
  } finally {
    await decoder.close()
  }
}

/** Lists the folders. Adds notes about files that are no images, and about classes without images. */
function listAll(options: Options, context: StageContext): Listed[] {
  return foldersOf(options).flatMap(([split, paths]) =>
    paths.map((folder) => {
      let found: ImageFolder
      try {
        found = listImages(folder)
      } catch (cause) {
        throw new PipelineError('DATA', `${fileProblem('read', folder, cause)}; ${help}`, { cause })
      }
      const { images, classes, others } = found
      if (others.length > 0)
        context.note(
          `${folder}: ${counted(others.length, 'file')} left out, because the names do not end in .png, .jpg or .jpeg: ${someOf(others)}`,
        )
      const used = new Set(images.map(({ className }) => className))
      const empty = classes.filter((name) => !used.has(name))
      if (empty.length > 0) context.note(`${folder}: no images in ${listed(empty, 'and')}`)
      return { split, folder, images, classes: classes.filter((name) => used.has(name)) }
    }),
  )
}

/** The shape of the first image that can be decoded. */
async function firstShape(images: readonly ImageFile[], decoder: ImageDecoder): Promise<number[]> {
  const problems: string[] = []
  for (const image of images) {
    for await (const decoded of decoder.decode([image])) {
      if ('image' in decoded) return [3, decoded.image.height, decoded.image.width]
      problems.push(decoded.problem)
    }
    if (areEnough(problems)) break
  }
  throw corruptImages(problems, images.length)
}

async function withoutCorrupt(
  images: readonly ImageFile[],
  decoder: ImageDecoder,
  context: StageContext,
): Promise<ImageFile[]> {
  const good: ImageFile[] = []
  const problems: string[] = []
  let at = 0
  for await (const decoded of decoder.decode(images)) {
    if ('image' in decoded) good.push(images[at]!)
    else problems.push(decoded.problem)
    at++
  }
  if (good.length === 0) throw corruptImages(problems.slice(0, 20), images.length)
  if (problems.length > 0)
    context.note(
      `${problems.length} of ${images.length} images cannot be read and are left out: ${problems.slice(0, 5).join('; ')}`,
    )
  return good
}

function rowsOf(
  folder: string,
  images: readonly ImageFile[],
  indexOf: (className: string) => number,
  shape: readonly number[],
  mayResize: boolean,
  decoder: ImageDecoder,
  context: StageContext,
): ArrayRows {
  const [channels, height, across] = shape as [number, number, number]
  const size = mayResize ? ([height, across] as const) : undefined
  return {
    path: folder,
    shape,
    type: 'uint8',
    labels: Int32Array.from(images, ({ className }) => (className === undefined ? -1 : indexOf(className))),
    blocks: async function* () {
      const problems: string[] = []
      const width = widthOf(shape)
      const block = new Uint8Array(width * Math.max(1, Math.floor(BLOCK / width)))
      let filled = 0
      let at = 0
      let resizedCount = 0
      for await (const decoded of decoder.decode(images, size)) {
        const { path } = images[at++]!
        if ('problem' in decoded) {
          problems.push(decoded.problem)
          if (areEnough(problems)) break
          continue
        }
        const { image, source, wasResized } = decoded
        if (image.height !== height || image.width !== across)
          throw new PipelineError(
            'DATA',
            `${path}: expected an image of ${across} × ${height} pixels, as the first one, found ${image.width} × ${image.height}; ` +
              `give a shape, to which all are resized: \`shape: [3, ${height}, ${across}]\``,
          )
        context.source(source)
        if (wasResized) resizedCount++
        if (problems.length > 0) continue
        writePlanes(image, channels, block.subarray(filled, filled + width))
        filled += width
        if (filled === block.length) {
          yield block
          filled = 0
        }
      }
      if (filled > 0) yield block.subarray(0, filled)
      if (problems.length > 0) throw corruptImages(problems, images.length)
      if (resizedCount > 0)
        context.note(`${folder}: ${resizedCount} of ${images.length} images were resized to ${across} × ${height}`)
    },
  }
}
