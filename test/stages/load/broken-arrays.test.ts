import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import { failureOf, runStage, temporary } from '../harness.js'
import { bytesNpy, cifarPickle, matFile, npyFile, npzFile, pngFile } from './array-files.js'
import { idxBytes } from './idx-files.js'

/*
 * What becomes of every format of arrays if its file is empty, has one row, is cut off, holds another type or width, mixes
 * widths, is damaged within gzip, or is a directory. `FILE` stands for the path of the file with the fault.
 */

type Files = Readonly<Record<string, Uint8Array | 'a directory'>>

interface Case {
  readonly files: Files
  /** Options of the stage; `DIR` is the folder of the files. */
  readonly options: string
  /** The number of rows that are read, or what the error says. */
  readonly outcome: number | string
}

/** Makes the folder of the files. */
function folder(t: Test, files: Files): string {
  const directory = temporary(t)
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(content === 'a directory' ? path : dirname(path), { recursive: true })
    if (content !== 'a directory') writeFileSync(path, content)
  }
  return directory
}

async function check(t: Test, stage: string, cases: readonly Case[]): Promise<void> {
  for (const { files, options, outcome } of cases) {
    const directory = folder(t, files)
    const entry = `- use: load/${stage}\n  with: { ${options.replaceAll('DIR', directory)} }`
    if (typeof outcome === 'number') {
      const { tables } = await runStage(t, entry)
      t.equal(
        tables.reduce((sum, table) => sum + table.numRows, 0),
        outcome,
        options,
      )
    } else {
      const [code, message] = await failureOf(t, entry)
      t.strictSame([code, message.replaceAll(directory, 'DIR')], ['DATA', outcome])
    }
  }
}

const nothing = new Uint8Array(0)
const y = (count: number) =>
  npyOfNumbers(
    Int32Array.from({ length: count }, (_, i) => i % 2),
    [count],
  )
const x = bytesNpy([4, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])

t.test('load/numpy, two .npy files', async (t) => {
  const options = 'path: DIR/x.npy, labels: DIR/y.npy'
  const of = (bytes: Uint8Array | 'a directory', outcome: number | string, labels = y(4)): Case => ({
    files: { 'x.npy': bytes, 'y.npy': labels },
    options,
    outcome,
  })
  await check(t, 'numpy', [
    of(nothing, 'DIR/x.npy is empty'),
    of(bytesNpy([1, 3], [1, 2, 3]), 1, y(1)),
    of(x.subarray(0, 20), 'DIR/x.npy: the file ends within its header; it is cut off or no .npy file'),
    of(x.subarray(0, 135), 'DIR/x.npy: expected 140 bytes (4 × 3 of |u1), found 135; the file is cut off or damaged'),
    of(
      Buffer.concat([x, nothing, Uint8Array.of(1)]),
      'DIR/x.npy: expected 140 bytes (4 × 3 of |u1), found 141; the file is cut off or damaged',
    ),
    of(Buffer.from('a,b,c\n1,2,3\n'), 'DIR/x.npy: expected the magic text \\x93NUMPY of a .npy file'),
    of(bytesNpy([0, 3], []), 'DIR/x.npy: expected rows, found an array of 0 × 3', y(0)),
    of(
      bytesNpy([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
      'DIR/x.npy: expected 4 rows, one per label in DIR/y.npy, found 3; do both belong together?',
    ),
    of(
      npyOfTexts(['a', 'b', 'c', 'd']),
      'DIR/x.npy: expected numbers as features, found texts; are features and labels interchanged?',
    ),
    of(
      npyFile('<f4', [4, 1], new Uint8Array(Float32Array.of(1, 2, Number.NaN, 4).buffer)),
      'DIR/x.npy: row 2, feature 0: expected a finite number, found NaN',
    ),
    of(
      npyOfNumbers(Float64Array.of(1, 1e39, 2, 3), [4, 1]),
      'DIR/x.npy: row 1, feature 0: expected a finite number that float32 can hold, found 1e+39',
    ),
    of('a directory', 'cannot read DIR/x.npy: it is a directory, expected a file'),
    of(
      x,
      'DIR/y.npy: expected one label per row, found an array of 4 × 2; save the numbers of the classes (`argmax(axis=1)` of one-hot labels)',
      bytesNpy([4, 2], [0, 1, 0, 1, 1, 0, 1, 0]),
    ),
    of(
      x,
      'DIR/y.npy: label 1: expected a whole number or a text, found 0.5',
      npyOfNumbers(Float64Array.of(0, 0.5, 1, 0), [4]),
    ),
    of(x, 'DIR/y.npy: label 3: expected a label, found nothing', npyOfTexts(['a', 'b', 'a', ' '])),
    {
      files: { 'x.npy.gz': gzipSync(x).subarray(0, 60), 'y.npy': y(4) },
      options: 'path: DIR/x.npy.gz, labels: DIR/y.npy',
      outcome: 'DIR/x.npy.gz is not a whole gzip file: unexpected end of file',
    },
    {
      files: { 'x.npy': x, 'y.npy': y(4), 'wide.npy': bytesNpy([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]) },
      options:
        'files: { train: { path: DIR/x.npy, labels: DIR/y.npy }, test: { path: DIR/wide.npy, labels: DIR/y.npy } }',
      outcome: 'DIR/wide.npy: expected examples of 3, as in DIR/x.npy, found 2',
    },
    {
      files: { 'x.npy': x, 'y.npy': y(4), 'f.npy': npyOfNumbers(new Float32Array(12), [4, 3]) },
      options: 'files: { train: [{ path: DIR/x.npy, labels: DIR/y.npy }, { path: DIR/f.npy, labels: DIR/y.npy }] }',
      outcome: 'DIR/f.npy: expected features as uint8, as in DIR/x.npy, found float32; save both as one type',
    },
  ])
})

t.test('load/numpy, a .npz file', async (t) => {
  const good = npzFile({ x, y: y(4) })
  const packed = npzFile({ x, y: y(4) }, 6)
  const damagedAt = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 0xff
    return copy
  }
  const of = (bytes: Uint8Array | 'a directory', outcome: number | string): Case => ({
    files: { 'a.npz': bytes },
    options: 'path: DIR/a.npz',
    outcome,
  })
  await check(t, 'numpy', [
    of(nothing, 'DIR/a.npz is empty'),
    of(npzFile({ x: bytesNpy([1, 3], [1, 2, 3]), y: y(1) }), 1),
    of(
      good.subarray(0, 200),
      'DIR/a.npz is not a whole .npz file: it has no list of members at its end; it is cut off',
    ),
    of(
      Buffer.from('no archive'),
      'DIR/a.npz is not a whole .npz file: it has no list of members at its end; it is cut off',
    ),
    of(damagedAt(good, 34 + 130), 'DIR/a.npz is not a whole .npz file: the array "x.npy": its checksum is wrong'),
    of(damagedAt(packed, 35), 'DIR/a.npz is not a whole .npz file: the array "x.npy": invalid code lengths set'),
    of(
      npzFile({ a: x, b: y(4) }),
      'DIR/a.npz: expected an array x, features, data or images, found a, b; say which are meant: `arrays: { features: …, labels: … }`',
    ),
    of(
      npzFile({ x }),
      'DIR/a.npz: has no array of labels (y, labels, target); say which it is: `arrays: { labels: … }`',
    ),
    of(
      npzFile({ x, y: y(3) }),
      'DIR/a.npz: array x: expected 3 rows, one per label in DIR/a.npz: array y, found 4; do both belong together?',
    ),
    of('a directory', 'cannot read DIR/a.npz: it is a directory, expected a file'),
    {
      files: { 'a.npz': good },
      options: 'path: DIR/a.npz, arrays: { features: z }',
      outcome: 'DIR/a.npz: has no array "z"; it has x, y',
    },
  ])
})

t.test('load/cifar10 and load/cifar100, Python and MATLAB', async (t) => {
  const pixels = new Uint8Array(3072)
  const mat = matFile(
    { data: { shape: [1, 3072], values: pixels }, labels: { shape: [1, 1], values: Uint8Array.of(3) } },
    true,
  )
  const pickle = cifarPickle(pixels, { labels: [3] })
  const of = (bytes: Uint8Array | 'a directory', outcome: number | string): Case => ({
    files: { data_batch_1: bytes },
    options: 'directory: DIR',
    outcome,
  })
  await check(t, 'cifar10', [
    of(nothing, 'DIR/data_batch_1 is empty'),
    of(pickle, 1),
    of(mat, 1),
    of(
      pickle.subarray(0, 1000),
      'DIR/data_batch_1 is not read as a Python pickle: it ends too early; it is cut off or damaged',
    ),
    of(
      mat.subarray(0, 150),
      'DIR/data_batch_1 is not read as a MATLAB file: an element has 61 bytes, 14 are there; it is cut off or damaged',
    ),
    of(
      cifarPickle(nothing, { labels: [] }),
      'DIR/data_batch_1: expected one label per image and one image or more, found 0 images and 0 labels',
    ),
    of(gzipSync(pickle).subarray(0, 50), 'DIR/data_batch_1 is not a whole gzip file: unexpected end of file'),
    of('a directory', 'cannot read DIR/data_batch_1: it is a directory, expected a file'),
  ])
  await check(t, 'cifar100', [
    {
      files: { 'train.bin': new Uint8Array(3074), 'test.bin': new Uint8Array(3073) },
      options: 'directory: DIR',
      outcome:
        'DIR/test.bin: expected records of 3074 bytes, found 3073 bytes: 0 records and 3073 bytes more; the file is cut off or not the binary version',
    },
    {
      files: { 'train.bin': Uint8Array.of(1, 100, ...pixels), 'test.bin': new Uint8Array(3074) },
      options: 'directory: DIR',
      outcome:
        'DIR/train.bin: record 0: expected a label from 0 to 99, got 100; is this the binary version of CIFAR-100?',
    },
  ])
})

t.test('load/idx and load/images', async (t) => {
  await check(t, 'idx', [
    {
      files: { i: idxBytes([1, 2, 2], [1, 2, 3, 4]), l: idxBytes([1], [0]) },
      options: 'directory: DIR, files: { train: { images: i, labels: l } }',
      outcome: 1,
    },
  ])
  const dot = (width: number) => pngFile({ width, height: 1, color: 0 }, new Uint8Array(width))
  const of = (files: Files, outcome: number | string): Case => ({ files, options: 'path: DIR', outcome })
  const all = (count: number) =>
    `1 of ${count} images cannot be read; repair or remove them, or leave them out with \`corrupt: skip\`:`
  await check(t, 'images', [
    of({ 'a/1.png': dot(4) }, 1),
    of(
      { 'a/1.png': dot(4), 'b/1.png': dot(5) },
      'DIR/b/1.png: expected an image of 4 × 1 pixels, as the first one, found 5 × 1; give a shape, to which all are resized: `shape: [3, 1, 4]`',
    ),
    of({ 'a/1.png': dot(4), 'b/1.png': nothing }, `${all(2)}\n  DIR/b/1.png: it is empty`),
    of({ 'a/1.png': dot(4), 'b/1.png': dot(4).subarray(0, 40) }, `${all(2)}\n  DIR/b/1.png: it is cut off`),
    of({ 'a/1.png': dot(4), 'b/1.png': 'a directory' }, 1),
    of({}, 'DIR has no folders with images (.png, .jpg, .jpeg); give a folder that has a folder of images per class'),
  ])
})
