import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { lastValueFrom, take, toArray } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, openStage, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { idxBytes } from './idx-files.js'

const entry = (options: string) => `- use: load/idx\n  with: { ${options} }`
const counting = (count: number) => Array.from({ length: count }, (_, i) => i % 256)

/** `count` images of 2 × 3 pixels, which count up through the file, with the labels 0, 1, 2, 0 … */
const images = (count: number) => idxBytes([count, 2, 3], counting(6 * count))
const labels = (count: number) =>
  idxBytes(
    [count],
    counting(count).map((i) => i % 3),
  )

/** The files under the names of MNIST. */
const mnist = (train: number, test: number): Record<string, Uint8Array> => ({
  'train-images-idx3-ubyte': images(train),
  'train-labels-idx1-ubyte': labels(train),
  't10k-images-idx3-ubyte': images(test),
  't10k-labels-idx1-ubyte': labels(test),
})

t.test('load/idx emits one table per split: uint8 pixels as they lie in the files of MNIST', async (t) => {
  const directory = temporary(t, mnist(4, 2))
  const { tables, sources } = await runStage(t, entry(`directory: ${directory}`))
  t.strictSame(tables.map(splitOf), ['train', 'test'])
  t.strictSame(tables.map(labelsIn), [
    [0, 1, 2, 0],
    [0, 1],
  ])
  const { values } = kernelRows(tables[0]!)
  t.ok(values instanceof Uint8Array)
  t.strictSame([...values], counting(24))
  t.match(layoutOf(tables[1]!), { shape: [1, 2, 3], classes: ['0', '1', '2'] })
  t.strictSame(
    sources.map(({ path, bytes }) => [path, bytes]),
    [
      ['train-labels-idx1-ubyte', 8 + 4],
      ['t10k-labels-idx1-ubyte', 8 + 2],
      ['train-images-idx3-ubyte', 16 + 24],
      ['t10k-images-idx3-ubyte', 16 + 12],
    ].map(([name, bytes]) => [join(directory, `${name}`), bytes]),
    'the run is told what was read',
  )
  t.match(sources[2]!.sha256, /^[0-9a-f]{64}$/)
})

t.test('classes are the labels that occur, in any split', async (t) => {
  const directory = temporary(t, {
    ...mnist(3, 2),
    'train-labels-idx1-ubyte': idxBytes([3], [26, 7, 26]),
    't10k-labels-idx1-ubyte': idxBytes([2], [7, 12]),
  })
  const { tables } = await runStage(t, entry(`directory: ${directory}`))
  t.strictSame(layoutOf(tables[0]!).classes, ['7', '12', '26'])
  t.strictSame(tables.map(labelsIn), [
    [2, 0, 2],
    [0, 1],
  ])
})

t.test('packed files, also large ones, give the same rows as plain ones', async (t) => {
  // More than two pieces of 512 KiB, whose memory is used again, and images across their borders.
  const plain = mnist(200_000, 7)
  const packed = Object.fromEntries(Object.entries(plain).map(([name, bytes]) => [`${name}.gz`, gzipSync(bytes)]))
  const load = async (files: Record<string, Uint8Array>) =>
    (await runStage(t, entry(`directory: ${temporary(t, files)}`))).tables.map(kernelRows)
  const expected = await load(plain)
  t.equal(expected[0]!.labels.length, 200_000)
  t.ok(Buffer.from(expected[0]!.values).equals(Buffer.from(images(200_000).subarray(16))))
  const found = await load(packed)
  for (const [i, rows] of expected.entries()) {
    t.ok(Buffer.from(found[i]!.values).equals(Buffer.from(rows.values)))
    t.strictSame(found[i]!.labels, rows.labels)
  }
})

t.test('a large packed file whose name does not say so', async (t) => {
  // Noise, so that it has several pieces when it is packed, too.
  const noise = new Uint8Array(2 << 20)
  for (let i = 0, x = 1; i < noise.length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0
    noise[i] = x >>> 24
  }
  const header = idxBytes([2 << 10, 32, 32], [])
  const files = { images: gzipSync(Buffer.concat([header, noise]), { level: 1 }), labels: labels(2 << 10) }
  const { tables } = await runStage(
    t,
    entry(`directory: ${temporary(t, files)}, files: { train: { images: images, labels: labels } }`),
  )
  t.ok(Buffer.from(kernelRows(tables[0]!).values).equals(noise))
})

t.test('fractions divide the files of train, by a permutation that depends on the seed of the split', async (t) => {
  const directory = temporary(t, mnist(30, 2))
  const load = async (more: string, seed = 1) =>
    (
      await runStage(
        t,
        entry(`directory: ${directory}, fractions: { train: 0.6, validation: 0.2 }${more}`),
        {},
        { seed },
      )
    ).tables
  const tables = await load('')
  t.strictSame(
    tables.map((table) => [splitOf(table), table.numRows]),
    [
      ['train', 18],
      ['validation', 6],
      ['test', 2],
    ],
  )
  const rows = tables.slice(0, 2).flatMap(featuresIn)
  t.equal(new Set(rows.map(([first]) => first)).size, 24, 'each image once')
  for (const table of tables)
    for (const [i, [first]] of featuresIn(table).entries())
      t.equal(labelsIn(table)[i], (first! / 6) % 3, 'an image keeps its label')
  t.strictSame((await load('')).map(featuresIn), tables.map(featuresIn))
  t.notSame((await load(', seed: 5')).map(featuresIn), tables.map(featuresIn))
  const stratified = await load(', stratify: true')
  const counts = [0, 1, 2].map((label) => labelsIn(stratified[0]!).filter((each) => each === label).length)
  t.strictSame(counts, [6, 6, 6])
})

t.test('splits, files and classes have the names that they are given; other shapes stay as they are', async (t) => {
  const directory = temporary(t, {
    a: idxBytes([2, 4], counting(8)),
    b: idxBytes([2, 2, 2, 1], counting(8)),
    l: idxBytes([2], [1, 0]),
  })
  const load = (images: string) =>
    runStage(
      t,
      entry(`directory: ${directory}, files: { mine: { images: ${images}, labels: l } }, classes: [no, yes, maybe]`),
    )
  const flat = (await load('a')).tables[0]!
  t.match([splitOf(flat), layoutOf(flat).shape, layoutOf(flat).classes], ['mine', [4], ['no', 'yes', 'maybe']])
  t.strictSame(layoutOf((await load('b')).tables[0]!).shape, [2, 2, 1])
})

t.test('load/idx stops where nobody listens any more', async (t) => {
  const files = mnist(3, 2)
  const directory = temporary(t, { ...files, 't10k-images-idx3-ubyte': 'damaged' })
  const { tables } = openStage(t, entry(`directory: ${directory}`))
  t.equal((await lastValueFrom(tables.pipe(take(1), toArray()))).length, 1)
})

t.test('load/idx refuses damaged files and says what is wrong with them', async (t) => {
  const [image, label] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte']
  const [packedImage, packedLabel] = [`${image}.gz`, `${label}.gz`]
  const cut = 'the file is cut off or damaged'
  const cases: [name: string, content: Uint8Array | string | undefined, message: string][] = [
    [
      image,
      undefined,
      'cannot read FILE: no such file or directory; name the folder of the files as `directory`, and the files of each split in `files`; millrace fetch downloads mnist and fashion-mnist',
    ],
    [image, '', 'FILE is empty'],
    [
      image,
      'label,a,b\n',
      'FILE: expected the magic number 0000 08.. of an IDX file, found 6c616265; is it a file of images in the format of MNIST?',
    ],
    [
      label,
      'ab',
      'FILE: expected the magic number 0000 08.. of an IDX file, found less than 4 bytes; is it a file of labels in the format of MNIST?',
    ],
    [
      image,
      idxBytes([2, 2, 3], counting(48), 0x0d),
      'FILE: expected the type code 0x08 (unsigned bytes), found 0x0d (32-bit floats); write the images as unsigned bytes',
    ],
    [
      label,
      idxBytes([4], counting(4), 0x01),
      'FILE: expected the type code 0x08 (unsigned bytes), found 0x01; the file is damaged or no IDX file',
    ],
    [
      label,
      images(4),
      'FILE: expected labels with 1 dimension, found 3; are the files of images and labels interchanged?',
    ],
    [
      image,
      labels(4),
      'FILE: expected images with 2 to 4 dimensions, found 1; are the files of images and labels interchanged?',
    ],
    [image, images(4).subarray(0, 10), 'FILE: the file ends within its header; it is cut off'],
    [
      image,
      idxBytes([0, 2, 3], []),
      'FILE: expected dimensions of 1 or more, found 0 × 2 × 3; there are no images in it',
    ],
    [image, images(4).subarray(0, 39), `FILE: expected 40 bytes (a header of 16, then 4 × 2 × 3), found 39; ${cut}`],
    [
      image,
      Uint8Array.from([...images(4), 1, 2]),
      `FILE: expected 40 bytes (a header of 16, then 4 × 2 × 3), found 42; ${cut}`,
    ],
    [
      packedImage,
      gzipSync(images(4).subarray(0, 39)),
      `FILE: expected 40 bytes (a header of 16, then 4 × 2 × 3), found 39; ${cut}`,
    ],
    [
      packedImage,
      gzipSync(Uint8Array.from([...images(4), 1])),
      `FILE: expected 40 bytes (a header of 16, then 4 × 2 × 3), found more; ${cut}`,
    ],
    [
      packedImage,
      gzipSync(idxBytes([4, 65_536, 65_536], [])),
      'FILE: expected 17179869200 bytes (a header of 16, then 4 × 65536 × 65536), and packed files may hold 1024 MiB; unpack it if that is its size',
    ],
    [packedImage, gzipSync(images(4)).subarray(0, 30), 'FILE is not a whole gzip file: unexpected end of file'],
    [packedLabel, labels(4), 'FILE is not a whole gzip file: incorrect header check'],
    [
      image,
      images(3),
      `FILE: expected 4 images, one per label in FOLDER/${label}, found 3; are both files of the same split?`,
    ],
    [
      't10k-images-idx3-ubyte',
      idxBytes([2, 3, 2], counting(12)),
      `FILE: expected images of 2 × 3, as in FOLDER/${image}, found 3 × 2; all splits need images of one size`,
    ],
  ]
  for (const [name, content, message] of cases) {
    const { [name.replace('.gz', '')]: _, ...others } = mnist(4, 2)
    const directory = temporary(t, content === undefined ? others : { ...others, [name]: content })
    const failure = await failureOf(t, entry(`directory: ${directory}`))
    t.strictSame(failure, ['DATA', message.replace('FILE', join(directory, name)).replace('FOLDER', directory)])
  }
})

t.test('a label without a name is an error', async (t) => {
  const directory = temporary(t, mnist(4, 2))
  t.strictSame(await failureOf(t, entry(`directory: ${directory}, classes: [a, b]`)), [
    'DATA',
    `${join(directory, 'train-labels-idx1-ubyte')}: label 2: expected a number from 0 to 1, because \`classes\` has 2 names, found 2; give a name to every class`,
  ])
})

t.test('load/idx rejects wrong options before any data is read', async (t) => {
  const place = 'stages[0] load/idx:'
  const cases: [options: string, problem: string][] = [
    ['classes: [a, b]', `pipeline.yaml:3:11  ${place} directory is required: expected a non-empty string`],
    [
      'directory: x, files: { train: { images: a } }',
      `pipeline.yaml:3:43  ${place} files.train: expected \`labels\`, the file of the labels of these images`,
    ],
    ['directory: x, files: {}', `pipeline.yaml:3:34  ${place} files: expected at least one split, got {}`],
    [
      'directory: x, classes: [a, a]',
      `pipeline.yaml:3:36  ${place} classes: expected names that differ, got ["a","a"]`,
    ],
    [
      'directory: x, fractions: { train: 0.8, test: 0.2 }',
      `pipeline.yaml:3:58  ${place} fractions.test: the split "test" has files of its own`,
    ],
    [
      'directory: x, files: { all: { images: a, labels: b } }, fractions: { train: 1 }',
      `pipeline.yaml:3:80  ${place} fractions: expected a split \`train\` among the files, which the fractions divide`,
    ],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, entry(options)), problem)
})

const fashion = process.env.FASHION_MNIST_DIR ?? '/usr/share/datasets/fashion-mnist'
t.test(
  'Fashion-MNIST has 60,000 and 10,000 images, as many of each class',
  { skip: existsSync(fashion) ? false : "install Debian's dataset-fashion-mnist, or set FASHION_MNIST_DIR" },
  async (t) => {
    const { tables } = await runStage(t, entry(`directory: ${fashion}`))
    t.strictSame(
      tables.map((table) => [splitOf(table), table.numRows]),
      [
        ['train', 60_000],
        ['test', 10_000],
      ],
    )
    for (const table of tables) {
      t.strictSame(layoutOf(table).shape, [1, 28, 28])
      const counts = new Array(10).fill(0)
      for (const label of labelsIn(table)) counts[label]++
      t.strictSame(counts, new Array(10).fill(table.numRows / 10))
    }
    const mean = kernelRows(tables[0]!).values.reduce((sum, value) => sum + value, 0) / (60_000 * 784)
    t.ok(Math.abs(mean - 72.94) < 0.01, `mean brightness ${mean}`)
  },
)
