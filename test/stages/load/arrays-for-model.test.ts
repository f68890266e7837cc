import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import { kernelRows, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { bytesNpy, npzFile, pngOfPlanes } from './array-files.js'

const entry = (stage: string, options: string) => `- use: load/${stage}\n  with: { ${options} }`
const planes = (first: number) => Uint8Array.from({ length: 3 * 4 }, (_, i) => (first + 10 * i) % 256)

t.test('rows for a trained model: its classes and shape, one split, labels if there are any', async (t) => {
  const x = bytesNpy(
    [4, 3, 2, 2],
    [0, 50, 100, 150].flatMap((first) => [...planes(first)]),
  )
  const directory = temporary(t, { 'train.npz': npzFile({ x, y: npyOfTexts(['dog', 'cat', 'dog', 'ant']) }) })
  const file = join(directory, 'train.yaml')
  writeFileSync(
    file,
    `seed: 1
stages:
  - { use: load/numpy, with: { path: ${directory}/train.npz } }
  - { use: batch/rows, with: { split: train, size: 2, epochs: 1 } }
  - { id: model, use: gradient-step/softmax, with: { eta: 0.001 } }
  - { use: sink/parameters, with: { path: parameters.arrow } }
`,
  )
  const model = join(directory, 'run')
  await run(await Pipeline.load(file), { out: model, kernel: 'reference' })

  const load = async (stage: string, options: string) => {
    const { tables } = await runStage(t, entry(stage, `${options}, model: ${model}`))
    t.strictSame([...new Set(tables.map(splitOf))], ['data'])
    return {
      labels: tables.flatMap(labelsIn),
      rows: tables.flatMap((table) => [...kernelRows(table).row!]),
      first: tables.map((table) => featuresIn(table)[0]![0]),
    }
  }
  const put = (name: string, bytes: Uint8Array) => writeFileSync(join(directory, name), bytes)
  put('named.npz', npzFile({ x, y: npyOfTexts(['cat', '', 'dog', 'ant']) }))
  put('numbers.npz', npzFile({ x, y: npyOfNumbers(Int32Array.of(2, 1, 0, 0), [4]) }))
  put('alone.npy', x)
  t.match(await load('numpy', `path: ${directory}/named.npz`), { labels: [1, -1, 2, 0], rows: [0, 1, 2, 3] })
  t.match(await load('numpy', `path: ${directory}/numbers.npz`), { labels: [2, 1, 0, 0] })
  t.match(await load('numpy', `files: { a: ${directory}/alone.npy, b: [${directory}/named.npz] }`), {
    labels: [-1, -1, -1, -1, 1, -1, 2, 0],
    rows: [0, 1, 2, 3, 4, 5, 6, 7],
  })
  mkdirSync(join(directory, 'photos/cat'), { recursive: true })
  put('photos/b.png', pngOfPlanes(planes(50), 2, 2))
  put('photos/a.png', pngOfPlanes(planes(0), 2, 2))
  put('photos/cat/1.png', pngOfPlanes(planes(100), 2, 2))
  t.strictSame(await load('images', `path: ${directory}/photos`), {
    labels: [-1, -1, 1],
    rows: [0, 1, 2],
    first: [0],
  })

  put('wrong.npz', npzFile({ x, y: npyOfTexts(['cow', 'cat', 'dog', 'ant']) }))
  put('narrow.npz', npzFile({ x: bytesNpy([1, 3], [1, 2, 3]), y: npyOfTexts(['cat']) }))
  const failures: [stage: string, options: string, message: string][] = [
    [
      'numpy',
      `path: ${directory}/wrong.npz`,
      `${directory}/wrong.npz: array y: label 0: expected a class of the model (ant, cat, dog), found cow`,
    ],
    [
      'numpy',
      `path: ${directory}/narrow.npz`,
      `${directory}/narrow.npz: array x: expected examples of 3 × 2 × 2, as the model was trained on, found 3`,
    ],
  ]
  for (const [stage, options, message] of failures)
    t.strictSame(await failureOf(t, entry(stage, `${options}, model: ${model}`)), ['DATA', message])
  t.match(
    await problemsOf(t, entry('images', `path: ${directory}/photos, shape: [3, 2, 2], model: ${model}`)),
    /shape: with `model` all rows are read for that model/,
  )
})
