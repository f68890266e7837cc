import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { lastValueFrom, take, toArray } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, openStage, problemsOf, runStage, temporary } from '../harness.js'
import { labelsIn } from '../tables.js'

const entry = (options: string) => `- use: load/cifar10\n  with: { ${options} }`

/** Records of one label and 3072 pixels, which count up from the label. */
function records(...labels: number[]): Uint8Array {
  return Uint8Array.from(
    labels.flatMap((label) => [label, ...Array.from({ length: 3072 }, (_, i) => (label + i) % 256)]),
  )
}

t.test('load/cifar10 emits one table per split: uint8 pixels as they lie in the file', async (t) => {
  const directory = temporary(t, { 'a.bin': records(3, 0), 'b.bin': records(9), 'c.bin': records(1, 2, 4) })
  const { tables, sources } = await runStage(t, entry(`directory: ${directory}, train: [a.bin, b.bin], test: [c.bin]`))
  t.strictSame(tables.map(splitOf), ['train', 'test'])
  t.strictSame(tables.map(labelsIn), [
    [3, 0, 9],
    [1, 2, 4],
  ])
  const { values } = kernelRows(tables[0]!)
  t.ok(values instanceof Uint8Array)
  t.strictSame(
    [values.length, values[0], values[3072], values[2 * 3072], values[3071]],
    [3 * 3072, 3, 0, 9, 3074 % 256],
  )
  const { shape, classes } = layoutOf(tables[0]!)
  t.strictSame(shape, [3, 32, 32])
  t.strictSame([classes[0], classes[9]], ['airplane', 'truck'])
  t.strictSame(
    sources.map(({ path, bytes }) => [path, bytes]),
    [
      [join(directory, 'a.bin'), 2 * 3073],
      [join(directory, 'b.bin'), 3073],
      [join(directory, 'c.bin'), 3 * 3073],
    ],
    'the run is told what was read',
  )
  t.match(sources[0]!.sha256, /^[0-9a-f]{64}$/)
})

t.test('load/cifar10 takes any whole number of records', async (t) => {
  for (const count of [1, 2, 7]) {
    const directory = temporary(t, { 'a.bin': records(...Array.from({ length: count }, (_, i) => i)) })
    const { tables } = await runStage(t, entry(`directory: ${directory}, train: [a.bin]`))
    t.equal(tables[0]!.numRows, count)
  }
})

t.test('a .bin.gz gives the same rows as the .bin, named or not', async (t) => {
  const plain = records(5, 6)
  const load = async (files: Record<string, Uint8Array>, name: string) => {
    const { tables } = await runStage(t, entry(`directory: ${temporary(t, files)}, train: [${name}]`))
    return kernelRows(tables[0]!)
  }
  const expected = await load({ 'a.bin': plain }, 'a.bin')
  t.strictSame(await load({ 'a.bin.gz': gzipSync(plain) }, 'a.bin'), expected, 'found in the place of a.bin')
  t.strictSame(await load({ 'a.bin.gz': gzipSync(plain) }, 'a.bin.gz'), expected, 'named')
  t.strictSame(await load({ 'a.bin': gzipSync(plain) }, 'a.bin'), expected, 'packed under the name of the .bin')
})

t.test('load/cifar10 stops where nobody listens any more', async (t) => {
  const directory = temporary(t, { 'a.bin': records(3) })
  const { tables } = openStage(t, entry(`directory: ${directory}, train: [a.bin], test: [missing.bin]`))
  t.equal((await lastValueFrom(tables.pipe(take(1), toArray()))).length, 1)
})

t.test('load/cifar10 refuses damaged files and says what is wrong with them', async (t) => {
  const damaged = records(1, 2)
  damaged[3073] = 10
  const cases: [content: Uint8Array | string | undefined, name: string, message: string][] = [
    [
      undefined,
      'a.bin',
      'cannot read FILE: no such file or directory; millrace fetch cifar10 (or cifar100) downloads the files (https://www.cs.toronto.edu/~kriz/cifar.html); the pipelines cifar10/* look for them in CIFAR10_DIR, if it is set',
    ],
    ['', 'a.bin', 'FILE is empty'],
    [
      records(1, 2).subarray(0, 5000),
      'a.bin',
      'FILE: expected records of 3073 bytes, found 5000 bytes: 1 record and 1927 bytes more; the file is cut off or not the binary version',
    ],
    [
      'name,year\ncifar,2009\n',
      'a.bin',
      'FILE: expected records of 3073 bytes, found 21 bytes: 0 records and 21 bytes more; the file is cut off or not the binary version',
    ],
    [damaged, 'a.bin', 'FILE: record 1: expected a label from 0 to 9, got 10; is this the binary version of CIFAR-10?'],
    [
      'x'.repeat(3073),
      'a.bin',
      'FILE: record 0: expected a label from 0 to 9, got 120; is this the binary version of CIFAR-10?',
    ],
    [gzipSync(records(1)).subarray(0, 100), 'a.bin.gz', 'FILE is not a whole gzip file: unexpected end of file'],
    [records(1), 'a.bin.gz', 'FILE is not a whole gzip file: incorrect header check'],
    [gzipSync(''), 'a.bin.gz', 'FILE is empty'],
  ]
  for (const [content, name, message] of cases) {
    const directory = temporary(t, content === undefined ? {} : { [name]: content })
    const failure = await failureOf(t, entry(`directory: ${directory}, train: [${name}]`))
    t.strictSame(failure, ['DATA', message.replace('FILE', join(directory, name))])
  }
})

t.test('load/cifar10 says so where a directory stands in the place of a file', async (t) => {
  const directory = temporary(t)
  mkdirSync(join(directory, 'a.bin'))
  t.strictSame(await failureOf(t, entry(`directory: ${directory}, train: [a.bin]`)), [
    'DATA',
    `cannot read ${join(directory, 'a.bin')}: it is a directory, expected a file`,
  ])
})

t.test('load/cifar10 rejects wrong options before any data is read', async (t) => {
  const cases: [options: string, problem: string][] = [
    [
      'train: [a.bin]',
      'pipeline.yaml:3:11  stages[0] load/cifar10: directory is required: expected a non-empty string',
    ],
    [
      'directory: x, train: []',
      'pipeline.yaml:3:34  stages[0] load/cifar10: train: expected a non-empty list of non-empty strings, got []',
    ],
    [
      'directory: x, test: test_batch.bin',
      'pipeline.yaml:3:33  stages[0] load/cifar10: test: expected a list of non-empty strings, got "test_batch.bin"',
    ],
    [
      'directory: x, valid: [a]',
      'pipeline.yaml:3:27  stages[0] load/cifar10: unknown option "valid"; options: directory, train, validation, test, holdOut, model',
    ],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, entry(options)), problem)
})

t.test('holdOut makes the last rows of the training files the validation split', async (t) => {
  const directory = temporary(t, { 'a.bin': records(3, 0), 'b.bin': records(9), 'c.bin': records(1) })
  const { tables } = await runStage(
    t,
    entry(`directory: ${directory}, train: [a.bin, b.bin], test: [c.bin], holdOut: 2`),
  )
  t.strictSame(tables.map(splitOf), ['train', 'validation', 'test'])
  t.strictSame(tables.map(labelsIn), [[3], [0, 9], [1]])
  t.strictSame(Array.from(kernelRows(tables[1]!).values.subarray(3072, 3074)), [9, 10])
  t.match(await failureOf(t, `${entry(`directory: ${directory}, train: [a.bin], holdOut: 2`)}\n- use: sink/arrow`), [
    'DATA',
    'holdOut: 2 rows cannot be held out of 2: none is left to train on',
  ])
  t.match(
    await problemsOf(t, entry(`directory: ${directory}, validation: [c.bin], holdOut: 2`)),
    'holdOut: the validation split has files already; give one of validation and holdOut',
  )
})
