import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt } from '../../pipeline/files/files.js'
import { listImages } from '../../stages/load/image-folders.js'
import { zipMembers } from '../../stages/load/zip-file.js'
import type { Options } from './wiring.js'

/** A load stage for files without named columns. */
export interface ArrayFiles {
  /** The stage, as `use` says. */
  readonly use: string
  /** The options that name the files; a path is as `named` gives it. */
  options(named: (path: string) => string): Options
  /** The options that divide so many rows, as far as the files do not. */
  division(rows: number): Options
}

/** Fewer rows than this are not divided. */
export const FEW_ROWS = 20

const three = { fractions: { train: 0.7, validation: 0.15, test: 0.15 } }
const held = { fractions: { train: 0.9, validation: 0.1 } }
const dividing = (division: Options) => (rows: number) => (rows < FEW_ROWS ? {} : division)
const divided = () => ({})

const CIFAR10 = /^data_batch_\d(\.bin|\.mat)?(\.gz)?$/
const CIFAR100 = /^train(\.bin|\.mat)?(\.gz)?$/
const IDX = /idx\d-ubyte(\.gz)?$/
const MNIST = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']

/** What splits are called in names of files. */
const SPLITS = ['train', 'validation', 'valid', 'val', 'test']

/**
 * Finds out how a folder, or a file without named columns, is loaded: CIFAR, IDX, NumPy, or images in folders. Returns
 * undefined for other files. Rejects with a PipelineError `ARGUMENTS` if a folder has no such files, or if there are no labels.
 */
export async function arrayFiles(from: string): Promise<ArrayFiles | undefined> {
  const name = basename(from)
  if (/\.npz$/i.test(name)) return archive(from)
  if (/\.npy(\.gz)?$/i.test(name)) return arrays(from)
  const isFolder = statSync(from, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isFolder && ![IDX, CIFAR10, CIFAR100].some((pattern) => pattern.test(name))) return undefined
  const folder = isFolder ? from : dirname(from)
  const entries = attempt('read', shortPath(folder), () => readdirSync(folder, { withFileTypes: true }), 'DATA')
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name)
  const train = (pattern: RegExp): string[] => files.filter((file) => pattern.test(file)).sort()
  if (train(CIFAR10).length > 0) return cifar('load/cifar10', folder, train(CIFAR10), files, 'test_batch')
  if (train(CIFAR100).length > 0) return cifar('load/cifar100', folder, train(CIFAR100), files, 'test')
  if (files.some((file) => IDX.test(file))) return idx(folder, files)
  return isFolder ? images(folder, entries) : undefined
}

const withoutEnding = (name: string): string => name.replace(/\.gz$/, '').replace(/\.(bin|mat)$/, '')

function cifar(use: string, folder: string, train: string[], files: string[], test: string): ArrayFiles {
  const hasTest = files.some((file) => withoutEnding(file) === test)
  // The stage finds other versions of a file under the name of the binary one.
  const names = [...new Set(train.map((file) => `${withoutEnding(file)}.bin`))]
  const isWhole = use === 'load/cifar100' || names.length === 5
  return {
    use,
    options: (named) => ({
      directory: named(folder),
      ...(!isWhole && { train: names }),
      ...(!hasTest && { test: [] }),
    }),
    division: (rows) => (hasTest || rows < FEW_ROWS ? {} : { holdOut: Math.round(0.2 * rows) }),
  }
}

function idx(folder: string, files: string[]): ArrayFiles {
  const names = new Set(files.map((file) => file.replace(/\.gz$/, '')))
  if (MNIST.every((name) => names.has(name)))
    return { use: 'load/idx', options: (named) => ({ directory: named(folder) }), division: dividing(held) }
  const pairs = [...names].sort().flatMap((images): [string, { images: string; labels: string }][] => {
    const labels = images.replace('images', 'labels').replace('idx3', 'idx1')
    if (labels === images || !IDX.test(images) || !names.has(labels)) return []
    const split = /t10k|test/i.test(images) ? 'test' : /val/i.test(images) ? 'validation' : 'train'
    return [[split, { images, labels }]]
  })
  const found = Object.fromEntries(pairs)
  if (!found.train)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(folder)} has no pair of IDX files for training, such as ${MNIST[0]} and ${MNIST[1]}; load/idx names others in \`files\``,
    )
  return {
    use: 'load/idx',
    options: (named) => ({ directory: named(folder), files: found }),
    division: dividing(found.test ? held : three),
  }
}

async function archive(path: string): Promise<ArrayFiles> {
  const names = (await zipMembers(path)).map(({ name }) => name.replace(/\.npy$/, ''))
  const splits = SPLITS.filter((split) => names.some((name) => name.split('_').includes(split)))
  if (splits.length < 2)
    return { use: 'load/numpy', options: (named) => ({ path: named(path) }), division: dividing(three) }
  return {
    use: 'load/numpy',
    options: (named) => ({ files: Object.fromEntries(splits.map((split) => [split, named(path)])) }),
    division: divided,
  }
}

/** What features and labels are called. */
const PAIRS = [
  ['features', 'labels'],
  ['images', 'labels'],
  ['data', 'labels'],
  ['data', 'target'],
  ['X', 'y'],
  ['x', 'y'],
] as const

function arrays(path: string): ArrayFiles {
  const labels = labelsBeside(path)
  if (labels === undefined)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(path)} has features only, and there is no file of labels beside it (y.npy for x.npy, labels.npy for features.npy); load/numpy names another as \`labels\``,
    )
  const name = basename(path)
  const splits = SPLITS.flatMap((split) => {
    const other = join(dirname(path), name.replace('train', split))
    const own = existsSync(other) ? labelsBeside(other) : undefined
    return name.includes('train') && own !== undefined ? [{ split, path: other, labels: own }] : []
  })
  if (splits.length < 2)
    return {
      use: 'load/numpy',
      options: (named) => ({ path: named(path), labels: named(labels) }),
      division: dividing(three),
    }
  return {
    use: 'load/numpy',
    options: (named) => ({
      files: Object.fromEntries(
        splits.map(({ split, path, labels }) => [split, { path: named(path), labels: named(labels) }]),
      ),
    }),
    division: divided,
  }
}

function labelsBeside(path: string): string | undefined {
  const name = basename(path)
  return PAIRS.filter(([features]) => name.includes(features))
    .map(([features, labels]) => join(dirname(path), name.replace(features, labels)))
    .find((file) => existsSync(file))
}

function images(folder: string, entries: readonly Dirent[]): ArrayFiles {
  const hasImages = (path: string): boolean =>
    attempt('read', shortPath(path), () => listImages(path), 'DATA').images.some(({ className }) => className)
  const splits = SPLITS.filter((split) => entries.some((entry) => entry.isDirectory() && entry.name === split))
  if (splits.length >= 2 && splits.every((split) => hasImages(join(folder, split))))
    return {
      use: 'load/images',
      options: (named) => ({ files: Object.fromEntries(splits.map((split) => [split, named(join(folder, split))])) }),
      division: divided,
    }
  if (!hasImages(folder))
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(folder)} is a directory without a folder of images (.png, .jpg) per class, and without files of CIFAR or MNIST; of tables, give one file`,
    )
  return { use: 'load/images', options: (named) => ({ path: named(folder) }), division: dividing(three) }
}
