import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { z } from '../../../dist/pipeline/stage-kit.js'

/** Runs a pipeline of these stages in one process, with shards or without, and returns its metrics and parameters. */
async function trained(
  t: Test,
  data: string,
  parallel: object | undefined,
  kernel: 'reference' | 'wasm' = 'reference',
) {
  const folder = t.testdir({ 'data.csv': data })
  const pipeline = await Pipeline.define({
    name: 'p',
    seed: 3,
    ...(parallel && { parallel: { engine: 'local', ...parallel } }),
    stages: [
      { use: 'load/csv', with: { path: join(folder, 'data.csv'), fractions: { train: 0.8, test: 0.2 } } },
      { use: 'normalize/standardize', id: 'examples' },
      { use: 'batch/rows', with: { size: 7, epochs: 3 } },
      { use: 'shuffle/rows' },
      { use: 'gradient-step/softmax', id: 'model', with: { eta: 0.1, lambda: 0.01 } },
      { use: 'evaluate/classification', from: { parameters: 'model', examples: 'examples' } },
      { use: 'sink/predictions', from: { parameters: 'model', examples: 'examples' }, with: { path: 'p' } },
    ],
  })
  const { history, parameters, directory, record } = await run(pipeline, { out: join(folder, 'out'), kernel })
  return { history, W: [...parameters.W!.data], rows: readFileSync(join(directory, 'p.csv'), 'utf8'), record }
}

const rows = (n: number) =>
  ['x,y,label', ...Array.from({ length: n }, (_, i) => `${Math.sin(i) * 9},${(i * 5) % 11},${i % 3}`)].join('\n')

for (const kernel of ['reference', 'wasm'] as const)
  t.test(`dividing a run into shards moves only the last bits (${kernel})`, async (t) => {
    const tolerance = kernel === 'reference' ? 1e-12 : 1e-5
    const whole = await trained(t, rows(60), undefined, kernel)
    for (const shards of [1, 3, 8]) {
      const { W, history, rows: shown, record } = await trained(t, rows(60), { shards }, kernel)
      for (const [i, w] of W.entries()) t.ok(Math.abs(w - whole.W[i]!) < tolerance, `${shards} shards, W[${i}]`)
      t.equal(history.at(-1)!.test_accuracy, whole.history.at(-1)!.test_accuracy)
      const order = (text: string) => text.split('\n').map((line) => line.split(',').slice(0, 3).join())
      t.strictSame(order(shown), order(whole.rows), 'the same rows in the same order')
      t.equal(record.timings!.steps, whole.record.timings!.steps)
      t.match(record.parallel, { engine: 'local', shards, library: 'local' })
    }
  })

t.test('shards may have no rows', async (t) => {
  const { history } = await trained(t, rows(15), { shards: 14 })
  t.equal(history.length, 3)
})

t.test('a stage that has examples and knows nothing of shards is refused', async (t) => {
  const mine = {
    name: 'my/mine',
    summary: 'Passes examples on.',
    options: z.strictObject({}),
    inputs: { examples: { type: 'examples' } },
    outputs: { examples: { type: 'examples' } },
    example: '- use: my/mine',
    run: () => (examples: unknown) => examples,
  } as never
  const spec = { name: 'p', stages: [{ use: 'load/digits' }, { use: mine }] }
  await Pipeline.define(spec)
  await t.rejects(Pipeline.define({ ...spec, parallel: { engine: 'local' } }), {
    code: 'DEFINITION',
    message:
      'code  stages[1] my/mine: does not work in a parallel run: it has examples and does not say what it does with shards of them',
  })
})
