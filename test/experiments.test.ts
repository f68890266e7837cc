import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type MetricsRow, Pipeline, run } from '../dist/index.js'
import type { KernelName } from '../dist/kernels/index.js'
import { nativeMissing } from '../dist/kernels/native/index.js'
import { data, dataMissing } from './data.js'
import { svgOnly } from './svg-only.js'

const fast: KernelName[] = nativeMissing() ? ['wasm'] : ['native', 'wasm']

/** What independent implementations of the published experiments end with, and how far a run may be from it. */
const published: [name: string, last: Record<string, [value: number, tolerance: number]>][] = [
  ['experiment-1', { train_cost: [5.25, 2.75] }],
  ['experiment-2', { train_cost: [1.618, 0.01], validation_cost: [1.794, 0.01], test_accuracy: [0.386, 0.012] }],
  ['experiment-3', { train_cost: [1.764, 0.01], validation_cost: [1.903, 0.01], test_accuracy: [0.391, 0.012] }],
  ['experiment-4', { train_cost: [1.899, 0.01], validation_cost: [1.957, 0.01], test_accuracy: [0.377, 0.012] }],
  ['hinge-3', { train_cost: [3.58, 0.1], test_accuracy: [0.358, 0.02] }],
  [
    'two-layer-cyclical',
    {
      train_cost: [1.461, 0.03],
      validation_cost: [1.829, 0.03],
      train_accuracy: [0.601, 0.012],
      validation_accuracy: [0.45, 0.012],
      test_accuracy: [0.457, 0.012],
    },
  ],
]

for (const [name, expected] of published) {
  t.test(`${name} gives the published numbers`, { skip: dataMissing('cifar-10-batches-bin') }, async (t) => {
    const pipeline = await Pipeline.load(`cifar10/${name}`, { set: [`directory=${data}/cifar-10-batches-bin`] })
    const { history } = await run(svgOnly(pipeline), { out: t.testdir() })
    t.equal(history.length, name === 'two-layer-cyclical' ? 10 : 40)
    const last = history.at(-1)!
    for (const [metric, [value, tolerance]] of Object.entries(expected))
      t.ok(
        Math.abs(last[metric]! - value) <= tolerance,
        `${metric} is ${last[metric]}, expected ${value} ± ${tolerance}`,
      )
    for (const row of history) t.ok(Object.values(row).every(Number.isFinite))
  })
}

/** Float64, no randomness: weights from zeros, no shuffling, eta 0.01, lambda 0.1. */
const golden = [
  { epoch: 1, train_loss: 1.817768657, validation_cost: 2.00677866, test_accuracy: 0.317 },
  { epoch: 5, train_loss: 1.488019292, validation_cost: 1.979263024, test_accuracy: 0.324 },
  { epoch: 10, train_loss: 1.317394337, validation_cost: 2.023630935, test_accuracy: 0.327 },
]

for (const kernel of fast) {
  t.test(`the ${kernel} kernel keeps the golden values`, { skip: dataMissing('cifar-10-first-1000') }, async (t) => {
    const set = ['init=zeros', 'shuffle=none', 'eta=0.01', 'lambda=0.1', 'epochs=10']
    const pipeline = await Pipeline.load('experiment-2', { set: [...set, `directory=${data}/cifar-10-first-1000`] })
    const { history } = await run(svgOnly(pipeline), { out: t.testdir(), kernel })
    for (const { epoch, ...metrics } of golden) {
      const row = history.find((each) => each.epoch === epoch) as MetricsRow
      for (const [name, value] of Object.entries(metrics))
        t.ok(Math.abs(row[name]! - value) < 1e-4, `${name} of ${epoch}`)
    }
  })

  t.test(
    `the number of threads changes no byte with the ${kernel} kernel`,
    { skip: dataMissing('cifar-10-first-1000') },
    async (t) => {
      const pipeline = await Pipeline.load('experiment-3', {
        set: ['epochs=2', `directory=${data}/cifar-10-first-1000`],
      })
      const written = async (threads: number): Promise<string> => {
        const out = join(t.testdirName, String(threads))
        const { directory, record } = await run(svgOnly(pipeline), { out, kernel, threads, oversubscribe: true })
        t.equal(record.kernel.threads, threads)
        return ['metrics.csv', 'parameters.arrow'].map((name) => readFileSync(join(directory, name), 'hex')).join('\n')
      }
      t.testdir()
      const one = await written(1)
      for (const threads of [2, 3, 8]) t.equal(await written(threads), one, `${threads} threads`)
    },
  )
}
