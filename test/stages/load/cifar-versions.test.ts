import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { readMat } from '../../../dist/stages/load/mat.js'
import { readPickle } from '../../../dist/stages/load/pickle.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { labelsIn } from '../tables.js'
import { cifarPickle, matFile } from './array-files.js'

const entry = (stage: string, options: string) => `- use: load/${stage}\n  with: { ${options} }`
const fixture = (name: string) => readFileSync(join('test/fixtures/cifar', name))

/** The pixels of rows: they tell the row and the place. */
function pixels(rows: number): Uint8Array {
  return Uint8Array.from({ length: rows * 3072 }, (_, i) => 7 * Math.floor(i / 3072) + Math.floor((i % 3072) / 64))
}

/** Records of the binary version: the bytes of the labels, and the pixels. */
function records(...labels: number[][]): Buffer {
  return Buffer.concat(
    labels.flatMap((each, i) => [Buffer.from(each), pixels(labels.length).subarray(i * 3072, (i + 1) * 3072)]),
  )
}

const column = (...values: number[]) => ({ shape: [values.length, 1] as const, values: Uint8Array.from(values) })
const data = (rows: number) => ({ shape: [rows, 3072] as const, values: pixels(rows) })

t.test('load/cifar10 reads the binary, the Python and the MATLAB version, which the content tells', async (t) => {
  const versions: [name: string, content: Uint8Array][] = [
    ['data_batch_1.bin', records([3], [0], [9])],
    ['data_batch_1', cifarPickle(pixels(3), { labels: [3, 0, 9] })],
    ['data_batch_1.mat', matFile({ data: data(3), labels: column(3, 0, 9) })],
    ['data_batch_1.mat', matFile({ data: data(3), labels: column(3, 0, 9) }, true)],
    ['data_batch_1.mat', fixture('packed.mat')],
  ]
  for (const [name, content] of versions) {
    const directory = temporary(t, { [name]: content })
    const { tables, sources } = await runStage(t, entry('cifar10', `directory: ${directory}`))
    t.strictSame(labelsIn(tables[0]!), [3, 0, 9], name)
    t.ok(Buffer.from(kernelRows(tables[0]!).values).equals(pixels(3)), name)
    t.strictSame(
      sources.map(({ path }) => path),
      [join(directory, name)],
    )
  }
  const directory = temporary(t, { data_batch_1: fixture('python2.pickle') })
  const { tables } = await runStage(t, entry('cifar10', `directory: ${directory}`))
  t.strictSame([labelsIn(tables[0]!), Buffer.from(kernelRows(tables[0]!).values).equals(pixels(1))], [[3], true])
})

t.test('load/cifar100 reads fine or coarse labels of all versions', async (t) => {
  const labels = { fine_labels: [49, 99], coarse_labels: [10, 13] }
  const versions: Record<string, Uint8Array>[] = [
    { 'train.bin': records([10, 49], [13, 99]), 'test.bin': records([0, 1]) },
    { train: cifarPickle(pixels(2), labels), test: cifarPickle(pixels(1), { fine_labels: [1], coarse_labels: [0] }) },
    {
      'train.mat': matFile({ data: data(2), fine_labels: column(49, 99), coarse_labels: column(10, 13) }),
      'test.mat': matFile({ data: data(1), fine_labels: column(1), coarse_labels: column(0) }, true),
    },
  ]
  for (const files of versions) {
    const directory = temporary(t, files)
    for (const [which, codes, names] of [
      ['fine', [49, 99], ['mountain', 'worm', 100]],
      ['coarse', [10, 13], ['large_natural_outdoor_scenes', 'non-insect_invertebrates', 20]],
    ] as const) {
      const { tables } = await runStage(t, entry('cifar100', `directory: ${directory}, labels: ${which}`))
      t.strictSame(tables.map(splitOf), ['train', 'test'])
      t.strictSame(labelsIn(tables[0]!), codes)
      const { classes, shape } = layoutOf(tables[0]!)
      t.strictSame([...codes.map((code) => classes[code]), classes.length], names)
      t.strictSame(shape, [3, 32, 32])
      t.ok(Buffer.from(kernelRows(tables[0]!).values).equals(pixels(2)))
    }
  }
})

/** A pickle of protocol 2 of these operations. */
const pickle = (operations: string) => Buffer.from(`\x80\x02${operations}`, 'latin1')

t.test('a pickle is read as data: programs are refused by name', async (t) => {
  const cases: [operations: string, message: string][] = [
    ['cos\nsystem\nU\x02ls\x85R.', 'refused to load "os.system": only data is read, programs are not run (byte 13)'],
    [
      'cposix\nsystem\nU\x02ls\x85R.',
      'refused to load "posix.system": only data is read, programs are not run (byte 16)',
    ],
    [
      'c__builtin__\neval\nU\x011\x85R.',
      'refused to load "__builtin__.eval": only data is read, programs are not run (byte 20)',
    ],
    ['cnumpy\nload\n.', 'refused to load "numpy.load": only data is read, programs are not run (byte 14)'],
    [
      'X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.',
      'refused to load "os.system": only data is read, programs are not run (byte 21)',
    ],
    ['cnumpy\nndarray\n)R.', 'numpy.ndarray cannot be called (byte 19)'],
    ['\x81.', 'the operation 0x81 is not one of plain data (byte 2)'],
    ['K\x01K\x02s.', 'a value is missing (byte 7)'],
    ['K\x01K\x02K\x03s.', 'expected a dictionary (byte 9)'],
    ['t.', 'a mark is missing (byte 3)'],
    ['h\x01.', 'a value that was kept is missing (byte 4)'],
    ['\x8a\x09123456789.', 'an integer has more than 8 bytes (byte 4)'],
    ['T\xff\xff\xff\xff.', 'it ends too early; it is cut off or damaged'],
    ['', 'it ends too early; it is cut off or damaged'],
    ['N'.repeat(1 << 20), 'it has more than 1048576 operations'],
  ]
  for (const [operations, message] of cases) t.throws(() => readPickle(pickle(operations)), { message }, message)
  const polluting = readPickle(pickle('}(U\x09__proto__}U\x08pollutedK\x01su.')) as Map<string, unknown>
  t.strictSame([polluting.size, ({} as Record<string, unknown>).polluted], [1, undefined])
  const directory = temporary(t, { 'a.bin': pickle('cos\nsystem\nU\x02ls\x85R.') })
  t.match(await failureOf(t, entry('cifar10', `directory: ${directory}, train: [a.bin]`)), [
    'DATA',
    `${directory}/a.bin is not read as a Python pickle: refused to load "os.system": only data is read`,
  ])
})

t.test('files of the Python and the MATLAB version that are damaged or hold something else are refused', async (t) => {
  const good = matFile({ data: data(1), labels: column(3) })
  const cases: [content: Uint8Array, message: string][] = [
    [
      cifarPickle(pixels(2), { labels: [3] }),
      'FILE: expected one label per image and one image or more, found 2 images and 1 label',
    ],
    [
      cifarPickle(pixels(1), { labels: [10] }),
      'FILE: record 0: expected a label from 0 to 9, got 10; is this CIFAR-10?',
    ],
    [
      cifarPickle(pixels(1), { fine_labels: [1] }),
      'FILE: expected "labels", a list of numbers, in CIFAR-10; it has "fine_labels": is it CIFAR-100?',
    ],
    [
      pickle(']K\x01a.'),
      'FILE: expected a dictionary with an array "data" of bytes; is this the Python version of CIFAR-10?',
    ],
    [
      cifarPickle(pixels(1), { labels: [3] }).subarray(0, 900),
      'FILE is not read as a Python pickle: it ends too early; it is cut off or damaged',
    ],
    [good.subarray(0, 100), 'FILE is not read as a MATLAB file: it ends within its header; it is cut off'],
    [
      good.subarray(0, 3000),
      'FILE is not read as a MATLAB file: an element has 3128 bytes, 2864 are there; it is cut off or damaged',
    ],
    [
      Buffer.from(good).fill(0, 124, 126),
      'FILE is not read as a MATLAB file: it is of version 7.3, or damaged; save it in MATLAB with the option -v7',
    ],
    [
      matFile({ data: { shape: [1, 64], values: new Uint8Array(64) }, labels: column(3) }),
      'FILE: expected images of 3072 bytes, found an array of 1 × 64',
    ],
    [
      matFile({ labels: column(3) }),
      'FILE: expected an array "data" of bytes; is this the MATLAB version of CIFAR-10?',
    ],
    [
      matFile({ data: data(1), fine_labels: column(3) }),
      'FILE: expected "labels", an array of numbers, in CIFAR-10; it has "fine_labels": is it CIFAR-100?',
    ],
    [
      Buffer.concat([matFile({ data: data(1) }), Buffer.from([15, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3])]),
      'FILE is not read as a MATLAB file: a packed array is damaged, or has more than 1 GiB',
    ],
  ]
  for (const [content, message] of cases) {
    const directory = temporary(t, { 'a.bin': content })
    const failure = await failureOf(t, entry('cifar10', `directory: ${directory}, train: [a.bin]`))
    t.strictSame(failure, ['DATA', message.replace('FILE', join(directory, 'a.bin'))])
  }
  t.match(await problemsOf(t, entry('cifar100', 'directory: x, labels: both')), /labels: expected/)
})

const python = '/usr/bin/python3'
const tools = (module: string) =>
  spawnSync(python, ['-c', `import ${module}`]).status === 0 ? false : `${module} is not installed`
t.test('pickles of every protocol from 2 that NumPy wrote', { skip: tools('numpy') }, (t) => {
  const script = `
import sys, pickle, base64, numpy as np
d = {'data': np.arange(12, dtype='u1').reshape(2, 6), b'labels': [1, 70000, -5, 2**40], 'x': (True, None, 1.5, 'é', b'abc'), 'f': np.asfortranarray(np.ones((2, 3), 'f4')), 'n': np.arange(3)}
for p in (2, 3, 4, 5): print(base64.b64encode(pickle.dumps(d, p)).decode())`
  const files = execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  for (const [i, file] of files.entries()) {
    const read = readPickle(Buffer.from(file, 'base64')) as Map<string, unknown>
    t.match(read.get('data'), { shape: [2, 6], type: 'u1', isFortran: false }, `protocol ${i + 2}`)
    t.strictSame(
      [...(read.get('data') as { data: Uint8Array }).data],
      Array.from({ length: 12 }, (_, j) => j),
    )
    t.match(read.get('f'), { shape: [2, 3], type: 'f4', isFortran: true })
    t.match(read.get('n'), { shape: [3], type: 'i8' })
    t.strictSame(read.get('labels'), [1, 70000, -5, 2 ** 40])
    t.strictSame((read.get('x') as unknown[]).slice(0, 4), [true, null, 1.5, 'é'])
  }
  t.end()
})

t.test('files that SciPy wrote', { skip: tools('scipy.io') }, async (t) => {
  const directory = temporary(t)
  const script = `
import numpy as np, scipy.io as sio
x = {'a': np.array([[1.5, 2], [3, 4]]), 'i': np.array([[1, -2, 300]], 'i4'), 't': 'text', 'c': np.array(['a', 1], dtype=object), 'u': np.arange(12, dtype='u1').reshape(2, 2, 3)}
sio.savemat('plain.mat', x); sio.savemat('packed.mat', x, do_compression=True)`
  execFileSync(python, ['-c', script], { cwd: directory })
  for (const name of ['plain.mat', 'packed.mat']) {
    const read = await readMat(readFileSync(join(directory, name)))
    t.match(read.get('a'), { shape: [2, 2], values: [1.5, 3, 2, 4] }, name)
    t.match(read.get('i'), { shape: [1, 3], values: [1, -2, 300] })
    t.strictSame(read.get('u')!.shape, [2, 2, 3])
    t.equal(String.fromCharCode(...Array.from(read.get('t')!.values!)), 'text')
    t.strictSame(read.get('c')!.values, undefined)
  }
})
