import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { npyOfNumbers } from '../../../dist/pipeline/formats/npy.js'
import { temporary } from '../harness.js'
import { bytesNpy, cifarPickle, matFile, npzFile, pngOfPlanes } from './array-files.js'
import { idxBytes } from './idx-files.js'

const ROWS = 100
const PIXELS = 3072

t.test('the same rows in any format give the same bytes of parameters', async (t) => {
  const random = randomStream(1, 'test', 'rows')
  const pixels = Uint8Array.from({ length: ROWS * PIXELS }, () => random.below(256))
  // In the order of the classes, as a folder per class has them.
  const labels = Array.from({ length: ROWS }, (_, i) => Math.floor(i / 10))
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck']
  const row = (i: number) => pixels.subarray(i * PIXELS, (i + 1) * PIXELS)
  const directory = temporary(t, {
    'rows.bin': Buffer.concat(labels.map((label, i) => Buffer.from([label, ...row(i)]))),
    'rows.pickle': cifarPickle(pixels, { labels }),
    'rows.mat': matFile(
      {
        data: { shape: [ROWS, PIXELS], values: pixels },
        labels: { shape: [ROWS, 1], values: Uint8Array.from(labels) },
      },
      true,
    ),
    'rows.idx': idxBytes([ROWS, 3, 32, 32], pixels),
    'labels.idx': idxBytes([ROWS], labels),
    'rows.npy': bytesNpy([ROWS, 3, 32, 32], pixels),
    'labels.npy': npyOfNumbers(Int32Array.from(labels), [ROWS]),
    'rows.npz': npzFile(
      { x: bytesNpy([ROWS, 3, 32, 32], pixels), y: npyOfNumbers(BigInt64Array.from(labels, BigInt), [ROWS]) },
      6,
    ),
  })
  for (const [i, label] of labels.entries()) {
    mkdirSync(join(directory, 'images', names[label]!), { recursive: true })
    writeFileSync(
      join(directory, 'images', names[label]!, `${String(i).padStart(3, '0')}.png`),
      pngOfPlanes(row(i), 32, 32),
    )
  }
  const classes = `classes: [${names.join(', ')}]`
  const loads = {
    binary: `cifar10, with: { directory: ${directory}, train: [rows.bin] }`,
    python: `cifar10, with: { directory: ${directory}, train: [rows.pickle] }`,
    matlab: `cifar10, with: { directory: ${directory}, train: [rows.mat] }`,
    idx: `idx, with: { directory: ${directory}, files: { train: { images: rows.idx, labels: labels.idx } }, ${classes} }`,
    npy: `numpy, with: { path: ${directory}/rows.npy, labels: ${directory}/labels.npy, ${classes} }`,
    npz: `numpy, with: { path: ${directory}/rows.npz, ${classes} }`,
    png: `images, with: { path: ${directory}/images }`,
  }
  const parameters = new Map<string, Buffer>()
  for (const [name, load] of Object.entries(loads)) {
    const file = join(directory, `${name}.yaml`)
    writeFileSync(
      file,
      `seed: 3
stages:
  - { use: load/${load} }
  - { use: normalize/standardize, with: { fit: train } }
  - { use: batch/rows, with: { split: train, size: 20, epochs: 2 } }
  - { use: shuffle/rows }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.01, lambda: 0.1 } }
  - { use: sink/parameters, with: { path: parameters.arrow } }
`,
    )
    const out = join(directory, name)
    await run(await Pipeline.load(file), { out, kernel: 'reference' })
    parameters.set(name, readFileSync(join(out, 'parameters.arrow')))
  }
  const expected = parameters.get('binary')!
  t.ok(expected.length > 4 * 10 * PIXELS)
  for (const [name, bytes] of parameters) t.ok(bytes.equals(expected), name)
})
