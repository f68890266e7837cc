import { existsSync } from 'node:fs'
import {
  counted,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'
import { isMat, readMat } from './mat.js'
import { isPickle, readPickle } from './pickle.js'
import { PickledArray, type PickleValue } from './pickled-arrays.js'
import { foundFile, openSourceFile, reading, readSourceFile } from './source-file.js'

/** Bytes of the pixels of an image. */
export const PIXELS = 3072

/** What a data set of the CIFAR family has in its files. */
export interface CifarSet {
  /** `CIFAR-10`. */
  readonly name: string
  /** The names of the classes. */
  readonly classes: readonly string[]
  /** Label bytes before the pixels of a record of the binary version. */
  readonly labelBytes: number
  /** Which of them is read. */
  readonly labelAt: number
  /** The name of the labels in the Python and MATLAB versions. */
  readonly field: string
}

/** Where the data sets are, for messages. */
export const help =
  'millrace fetch cifar10 (or cifar100) downloads the files (https://www.cs.toronto.edu/~kriz/cifar.html); the pipelines cifar10/* look for them in CIFAR10_DIR, if it is set'

/** Images and their labels, as they lie in memory. */
export interface CifarBlock {
  /** Number of images. */
  readonly count: number
  /** The label of an image, which was checked. */
  label(i: number): number
  /** The pixels of an image. */
  pixels(i: number): Uint8Array
}

/** A file of images. */
export interface CifarFile {
  /** The path of the file. */
  readonly path: string
  /** The number of images. */
  readonly count: number
  /** Reads the images, in order. Call it once. A block is gone when the next one is read. */
  blocks(): AsyncGenerator<CifarBlock>
}

/** Images per block: about 1.5 MB, which stay in the CPU cache while they are hashed and copied. */
const PIECE = 512

/**
 * Returns the path of a file of the data set: as it is named, packed by gzip, or that of the Python or MATLAB version
 * (`data_batch_1`, `data_batch_1.mat`) for the name of the binary one (`data_batch_1.bin`).
 */
export function foundCifar(path: string): string {
  const found = foundFile(path)
  if (!path.endsWith('.bin') || existsSync(found)) return found
  const name = path.slice(0, -'.bin'.length)
  return [name, `${name}.mat`].find((other) => existsSync(other)) ?? found
}

/**
 * Opens a file of images of 32 × 32 in any of its three versions, which its first bytes tell. Only the Python and MATLAB
 * versions are read into memory as a whole. Throws a PipelineError `DATA` if it is missing, damaged or something else.
 */
export async function openCifar(path: string, set: CifarSet, context: StageContext): Promise<CifarFile> {
  const found = foundCifar(path)
  const first = await firstBytes(found)
  if (isPickle(first))
    return wholeFile(found, set, pickledImages(await readSourceFile(found, context), found, set), context)
  if (isMat(first))
    return wholeFile(found, set, await matImages(await readSourceFile(found, context), found, set), context)
  return binaryFile(found, set, context)
}

function firstBytes(path: string): Promise<Uint8Array> {
  return reading(path, help, async () => {
    const handle = await openRegularFile(path)
    try {
      const { buffer, bytesRead } = await handle.read(new Uint8Array(8), 0, 8, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  })
}

async function binaryFile(path: string, set: CifarSet, context: StageContext): Promise<CifarFile> {
  const record = set.labelBytes + PIXELS
  const file = await openSourceFile(path, context, help)
  const rest = file.size % record
  if (rest !== 0)
    throw new PipelineError(
      'DATA',
      `${path}: expected records of ${record} bytes, found ${file.size} bytes: ` +
        `${counted(Math.floor(file.size / record), 'record')} and ${counted(rest, 'byte')} more; ` +
        'the file is cut off or not the binary version',
    )
  const binaryHelp = `is this the binary version of ${set.name}?`
  return {
    path,
    count: file.size / record,
    blocks: async function* () {
      let before = 0
      for await (const piece of file.pieces(PIECE * record)) {
        const first = before
        const count = piece.length / record
        yield {
          count,
          label: (i) => checked(piece[i * record + set.labelAt]!, path, first + i, set, binaryHelp),
          pixels: (i) => piece.subarray(i * record + set.labelBytes, (i + 1) * record),
        }
        before += count
      }
    },
  }
}

/** The images of a file that was read as a whole. */
interface Images {
  readonly labels: ArrayLike<number>
  /** Whether the pixels of an image lie together, and not those of all images at one place. */
  readonly isRowMajor: boolean
  readonly pixels: Uint8Array
}

function wholeFile(path: string, set: CifarSet, images: Images, context: StageContext): CifarFile {
  const { labels, pixels, isRowMajor } = images
  const count = labels.length
  return {
    path,
    count,
    blocks: async function* () {
      for (let first = 0; first < count; first += PIECE) {
        const rows = Math.min(PIECE, count - first)
        const block = isRowMajor
          ? pixels.subarray(first * PIXELS, (first + rows) * PIXELS)
          : new Uint8Array(rows * PIXELS)
        if (!isRowMajor)
          for (let j = 0; j < PIXELS; j++)
            for (let i = 0; i < rows; i++) block[i * PIXELS + j] = pixels[j * count + first + i]!
        yield {
          count: rows,
          label: (i) => checked(labels[first + i]!, path, first + i, set, `is this ${set.name}?`),
          pixels: (i) => block.subarray(i * PIXELS, (i + 1) * PIXELS),
        }
        await turn(context)
      }
    },
  }
}

function checked(label: number, path: string, record: number, { classes }: CifarSet, question: string): number {
  if (Number.isInteger(label) && label >= 0 && label < classes.length) return label
  throw new PipelineError(
    'DATA',
    `${path}: record ${record}: expected a label from 0 to ${classes.length - 1}, got ${label}; ${question}`,
  )
}

/** The images of the Python version: a pickled dictionary with `data`, `[images, 3072]`, and a list of labels. */
function pickledImages(bytes: Uint8Array, path: string, set: CifarSet): Images {
  let value: PickleValue
  try {
    value = readPickle(bytes)
  } catch (cause) {
    throw new PipelineError('DATA', `${path} is not read as a Python pickle: ${messageOf(cause)}`, { cause })
  }
  const field = (name: string) => (value instanceof Map ? value.get(name) : undefined)
  const [data, labels] = [field('data'), field(set.field)]
  if (!(data instanceof PickledArray) || data.type !== 'u1')
    throw new PipelineError(
      'DATA',
      `${path}: expected a dictionary with an array "data" of bytes; is this the Python version of ${set.name}?`,
    )
  if (!Array.isArray(labels) || !labels.every((label) => typeof label === 'number'))
    throw missing(path, set, 'a list of numbers', value instanceof Map ? [...value.keys()] : [])
  const rows = data.shape[0] ?? 0
  checkImages(path, data.shape, labels.length)
  return { labels: labels as number[], pixels: data.data, isRowMajor: !data.isFortran || rows === 1 }
}

/** The images of the MATLAB version: `data`, `[images, 3072]`, and a column of labels. */
async function matImages(bytes: Uint8Array, path: string, set: CifarSet): Promise<Images> {
  const arrays = await readMat(bytes).catch((cause) => {
    throw new PipelineError('DATA', `${path} is not read as a MATLAB file: ${messageOf(cause)}`, { cause })
  })
  const [data, labels] = [arrays.get('data'), arrays.get(set.field)]
  if (!(data?.values instanceof Uint8Array))
    throw new PipelineError(
      'DATA',
      `${path}: expected an array "data" of bytes; is this the MATLAB version of ${set.name}?`,
    )
  if (!labels?.values) throw missing(path, set, 'an array of numbers', [...arrays.keys()])
  checkImages(path, data.shape, labels.values.length)
  return { labels: labels.values, pixels: data.values, isRowMajor: data.shape[0] === 1 }
}

function missing(path: string, set: CifarSet, kind: string, names: readonly unknown[]): PipelineError {
  const other = set.field === 'labels' ? 'fine_labels' : 'labels'
  const hint = names.includes(other)
    ? `; it has "${other}": is it ${set.field === 'labels' ? 'CIFAR-100' : 'CIFAR-10'}?`
    : ''
  return new PipelineError('DATA', `${path}: expected "${set.field}", ${kind}, in ${set.name}${hint}`)
}

function checkImages(path: string, shape: readonly number[], labels: number): void {
  if (shape.length !== 2 || shape[1] !== PIXELS)
    throw new PipelineError(
      'DATA',
      `${path}: expected images of ${PIXELS} bytes, found an array of ${shape.join(' × ')}`,
    )
  if (shape[0] !== labels || labels === 0)
    throw new PipelineError(
      'DATA',
      `${path}: expected one label per image and one image or more, found ${counted(shape[0]!, 'image')} and ${counted(labels, 'label')}`,
    )
}
