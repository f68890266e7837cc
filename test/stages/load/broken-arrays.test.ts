import t, { type Test } from 'tap'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import { failureOf, temporary } from '../harness.js'
import { bytesNpy, npyFile, npzFile } from './array-files.js'

/* Faults of arrays of NumPy beside those that every format may have (`outcomes.test.ts`). */

type Files = Readonly<Record<string, Uint8Array>>

interface Case {
  readonly files: Files
  /** Options of the stage; `DIR` is the folder of the files. */
  readonly options: string
  /** What the error says. */
  readonly message: string
}

async function check(t: Test, cases: readonly Case[]): Promise<void> {
  for (const { files, options, message } of cases) {
    const directory = temporary(t, files)
    const [code, found] = await failureOf(t, `- use: load/numpy\n  with: { ${options.replaceAll('DIR', directory)} }`)
    t.strictSame([code, found.replaceAll(directory, 'DIR')], ['DATA', message])
  }
}

const y = (count: number) =>
  npyOfNumbers(
    Int32Array.from({ length: count }, (_, i) => i % 2),
    [count],
  )
const x = bytesNpy([4, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])

t.test('load/numpy, two .npy files', async (t) => {
  const options = 'path: DIR/x.npy, labels: DIR/y.npy'
  const of = (bytes: Uint8Array, message: string, labels = y(4)): Case => ({
    files: { 'x.npy': bytes, 'y.npy': labels },
    options,
    message,
  })
  await check(t, [
    of(x.subarray(0, 20), 'DIR/x.npy: the file ends within its header; it is cut off or no .npy file'),
    of(
      Buffer.concat([x, Uint8Array.of(1)]),
      'DIR/x.npy: expected 140 bytes (4 × 3 of |u1), found 141; the file is cut off or damaged',
    ),
    of(
      npyFile('<f4', [4, 1], new Uint8Array(Float32Array.of(1, 2, Number.NaN, 4).buffer)),
      'DIR/x.npy: row 2, feature 0: expected a finite number, found NaN',
    ),
    of(
      npyOfNumbers(Float64Array.of(1, 1e39, 2, 3), [4, 1]),
      'DIR/x.npy: row 1, feature 0: expected a finite number that float32 can hold, found 1e+39',
    ),
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
      files: { 'x.npy': x, 'y.npy': y(4), 'wide.npy': bytesNpy([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]) },
      options:
        'files: { train: { path: DIR/x.npy, labels: DIR/y.npy }, test: { path: DIR/wide.npy, labels: DIR/y.npy } }',
      message: 'DIR/wide.npy: expected examples of 3, as in DIR/x.npy, found 2',
    },
  ])
})

t.test('load/numpy, a .npz file', async (t) => {
  const good = npzFile({ x, y: y(4) })
  const damagedAt = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 0xff
    return copy
  }
  const of = (bytes: Uint8Array, message: string): Case => ({
    files: { 'a.npz': bytes },
    options: 'path: DIR/a.npz',
    message,
  })
  await check(t, [
    of(damagedAt(good, 34 + 130), 'DIR/a.npz is not a whole .npz file: the array "x.npy": its checksum is wrong'),
    of(
      npzFile({ a: x, b: y(4) }),
      'DIR/a.npz: expected an array x, features, data or images, found a, b; say which are meant: `arrays: { features: …, labels: … }`',
    ),
    of(
      npzFile({ x }),
      'DIR/a.npz: has no array of labels (y, labels, target); say which it is: `arrays: { labels: … }`',
    ),
    {
      files: { 'a.npz': good },
      options: 'path: DIR/a.npz, arrays: { features: z }',
      message: 'DIR/a.npz: has no array "z"; it has x, y',
    },
  ])
})
