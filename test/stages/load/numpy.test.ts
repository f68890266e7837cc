import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { bytesNpy, npyFile, npzFile } from './array-files.js'

const entry = (options: string) => `- use: load/numpy\n  with: { ${options} }`
const counting = (count: number) => Array.from({ length: count }, (_, i) => i % 256)

t.test(
  'load/numpy reads bytes as they lie in a .npz file, packed or not, or in two .npy files, packed or not',
  async (t) => {
    const [x, y] = [bytesNpy([3, 2, 2], counting(12)), npyOfNumbers(Int32Array.of(7, 3, 7), [3])]
    const directory = temporary(t, {
      'plain.npz': npzFile({ x, y }),
      'packed.npz': npzFile({ x, y }, 6),
      'x.npy': x,
      'y.npy': y,
      'x.npy.gz': gzipSync(x),
    })
    for (const options of [
      `path: ${directory}/plain.npz`,
      `path: ${directory}/packed.npz`,
      `path: ${directory}/x.npy, labels: ${directory}/y.npy`,
      `path: ${directory}/x.npy.gz, labels: ${directory}/y.npy`,
      `files: { train: { path: ${directory}/x.npy, labels: ${directory}/y.npy } }`,
      `files: { train: [${directory}/plain.npz] }`,
    ]) {
      const { tables, sources } = await runStage(t, entry(options))
      t.strictSame(tables.map(splitOf), ['train'])
      const { values } = kernelRows(tables[0]!)
      t.ok(values instanceof Uint8Array)
      t.strictSame([...values], counting(12), options)
      t.strictSame(labelsIn(tables[0]!), [1, 0, 1])
      t.match(layoutOf(tables[0]!), { shape: [1, 2, 2], classes: ['3', '7'] })
      t.ok(sources.every(({ sha256, bytes }) => /^[0-9a-f]{64}$/.test(sha256) && bytes > 0))
    }
  },
)

t.test('splits: of an archive by the names of its arrays, of several files, or by fractions', async (t) => {
  const labels = (...of: number[]) => npyOfNumbers(Int32Array.from(of), [of.length])
  const directory = temporary(t, {
    'both.npz': npzFile({
      x_train: bytesNpy([3, 1], [1, 2, 3]),
      y_train: labels(0, 1, 0),
      x_test: bytesNpy([2, 1], [4, 5]),
      y_test: labels(1, 1),
    }),
    'more.npz': npzFile({
      images: bytesNpy([2, 1], [6, 7]),
      target: npyFile('<f4', [2, 1], [0, 0, 128, 63, 0, 0, 0, 0]),
    }),
  })
  const both = await runStage(t, entry(`files: { train: ${directory}/both.npz, test: ${directory}/both.npz }`))
  t.strictSame(both.tables.map(splitOf), ['train', 'test'])
  t.strictSame(both.tables.map(featuresIn), [
    [[1], [2], [3]],
    [[4], [5]],
  ])
  t.strictSame(both.notes, [])
  t.equal(both.sources.length, 1, 'the archive is counted once')
  const named = await runStage(t, entry(`path: ${directory}/both.npz, arrays: { features: x_test, labels: y_test }`))
  t.strictSame(named.tables.map(featuresIn), [[[4], [5]]])
  t.strictSame(named.notes, [`${directory}/both.npz: not used: the arrays x_train and y_train`])
  const joined = await runStage(
    t,
    entry(`files: { all: [${directory}/both.npz, ${directory}/more.npz] }`.replace('all', 'train')),
  )
  t.strictSame(joined.tables.map(featuresIn), [[[1], [2], [3], [6], [7]]])
  t.strictSame(joined.tables.map(labelsIn), [[0, 1, 0, 1, 0]])
  const dealt = await runStage(t, entry(`path: ${directory}/both.npz, fractions: { a: 0.67, b: 0.33 }, seed: 3`))
  t.strictSame(
    dealt.tables.map((table) => [splitOf(table), table.numRows]),
    [
      ['a', 2],
      ['b', 1],
    ],
  )
  const rows = dealt.tables.flatMap((table) => [...kernelRows(table).row!])
  t.strictSame([...rows].sort(), [0, 1, 2])
  t.strictSame(
    dealt.tables.flatMap(featuresIn),
    rows.map((row) => [row + 1]),
    'rows keep their number',
  )
})

t.test('numbers become float32, in the order of the axes; what is lost is noted', async (t) => {
  const labels = npyOfTexts(['b', 'a'])
  const load = async (x: Uint8Array) => {
    const directory = temporary(t, { 'a.npz': npzFile({ data: x, labels }) })
    const { tables, notes } = await runStage(t, entry(`path: ${directory}/a.npz`))
    return { rows: featuresIn(tables[0]!), notes, labels: labelsIn(tables[0]!), layout: layoutOf(tables[0]!) }
  }
  const expected = [
    [1, 2, 3],
    [4, 5, 6],
  ]
  const cases: Uint8Array[] = [
    npyOfNumbers(Float64Array.of(1, 2, 3, 4, 5, 6), [2, 3]),
    npyOfNumbers(BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n), [2, 3]),
    npyFile('|i1', [2, 3], [1, 2, 3, 4, 5, 6]),
    npyFile('>u2', [2, 3], [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]),
    npyFile('|u1', [2, 3], [1, 4, 2, 5, 3, 6], true),
  ]
  for (const bytes of cases)
    t.match(await load(bytes), {
      rows: expected,
      notes: [],
      labels: [1, 0],
      layout: { classes: ['a', 'b'], shape: [3] },
    })
  const planes = await load(
    npyFile(
      '|u1',
      [2, 3, 2, 2],
      Array.from({ length: 24 }, (_, at) => {
        // The value of an element is its number in row-major order; Fortran order has the first axis fastest.
        const [n, c, h, w] = [at % 2, Math.floor(at / 2) % 3, Math.floor(at / 6) % 2, Math.floor(at / 12)]
        return ((n * 3 + c) * 2 + h) * 2 + w
      }),
      true,
    ),
  )
  t.strictSame(planes.rows.flat(), counting(24))
  const large = await load(npyOfNumbers(BigInt64Array.of(2n ** 24n, 2n ** 24n + 1n), [2, 1]))
  t.match(
    large.notes[0],
    /a\.npz: array data: 1 of 1 feature loses digits, because features are float32: in feature 0, 16777217 becomes 16777216; subtract a number near them, such as 16777216, in float64 before they are saved/,
  )
  const times = Float64Array.of(0.5, 1_700_000_000.25, 0.75, 1_700_000_001.5)
  t.match((await load(npyOfNumbers(times, [2, 2]))).notes, [
    /array data: 1 of 2 features loses digits, .* in feature 1, 1700000001\.5 becomes 1700000000; subtract a number near them, such as 1700000000\.25, in/,
  ])
  const near = times.map((time, i) => (i % 2 === 0 ? time : time - 1_700_000_000))
  t.strictSame((await load(npyOfNumbers(near, [2, 2]))).notes, [])
  t.strictSame((await load(npyFile('|b1', [2], [1, 0]))).layout.shape, [1])
})

t.test('classes give names to numbers, or list the texts', async (t) => {
  const x = bytesNpy([2, 1], [1, 2])
  const load = async (y: Uint8Array, classes: string) => {
    const directory = temporary(t, { 'a.npz': npzFile({ x, y }) })
    const { tables } = await runStage(t, entry(`path: ${directory}/a.npz, classes: ${classes}`))
    return [layoutOf(tables[0]!).classes, labelsIn(tables[0]!)]
  }
  t.strictSame(await load(npyFile('|u1', [2], [2, 0]), '[no, yes, maybe]'), [
    ['no', 'yes', 'maybe'],
    [2, 0],
  ])
  t.strictSame(await load(npyOfTexts(['yes', 'no']), '[no, yes, maybe]'), [
    ['no', 'yes', 'maybe'],
    [1, 0],
  ])
})

t.test('load/numpy rejects wrong options before any data is read', async (t) => {
  const place = 'stages[0] load/numpy:'
  const cases: [options: string, problem: string][] = [
    ['seed: 1', `pipeline.yaml:3:11  ${place} expected one of "path" and "files"`],
    ['path: x.npy', `pipeline.yaml:3:19  ${place} path: a .npy file has features only; give its \`labels\` too`],
    [
      'path: x.npy, labels: y.npy, arrays: { features: x }',
      `pipeline.yaml:3:19  ${place} path: \`arrays\` are names in a .npz file, this is a .npy file`,
    ],
    [
      'files: { train: x.npz }, fractions: { train: 1 }',
      `pipeline.yaml:3:49  ${place} fractions: fractions divide \`path\`; with \`files\` the splits are given`,
    ],
    [
      'files: { train: [x.npz, x.npy] }',
      `pipeline.yaml:3:37  ${place} files.train[1]: a .npy file has features only; give its \`labels\` too`,
    ],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, entry(options)), problem)
})

const python = '/usr/bin/python3'
const hasNumPy = spawnSync(python, ['-c', 'import numpy']).status === 0
t.test('files that NumPy wrote', { skip: hasNumPy ? false : 'NumPy is not installed' }, async (t) => {
  const directory = temporary(t)
  const script = `
import sys, numpy as np
x = np.arange(12, dtype='u1').reshape(3, 2, 2); y = np.array(['b', 'a', 'b'])
np.savez('plain.npz', x=x, y=y); np.savez_compressed('packed.npz', X=x, target=y); np.savez('fortran.npz', x=np.asfortranarray(x), y=y)`
  execFileSync(python, ['-c', script], { cwd: directory })
  for (const name of ['plain', 'packed', 'fortran']) {
    const { tables } = await runStage(t, entry(`path: ${join(directory, name)}.npz`))
    t.strictSame(featuresIn(tables[0]!).flat(), counting(12), name)
    t.strictSame(labelsIn(tables[0]!), [1, 0, 1])
  }
})
