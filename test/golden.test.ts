import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import t, { type Test } from 'tap'
import { cases, singleUntil } from '../bench/golden-cases.js'
import { type MetricsRow, Pipeline, start } from '../dist/index.js'
import type { KernelName } from '../dist/kernels/index.js'
import { implementations } from '../dist/kernels/registry.js'
import { data, dataMissing } from './data.js'
import { webgpuSkip } from './kernels/adapter.js'
import { temporary } from './stages/harness.js'

/*
 * The values of PyTorch in float64 (autograd and torch.optim) on a thousand images a split, without shuffling, in 10
 * epochs of 10 steps.
 */

const missing = dataMissing('golden')
const golden: Record<string, string>[] = missing
  ? []
  : parse(readFileSync(join(data, 'golden/golden.csv')), { columns: true })

function pipelineOf(t: Test, training: string, evaluated: string): string {
  const [learner, ...options] = training.split(/, (.*)/s)
  const file = join(temporary(t), 'pipeline.yaml')
  writeFileSync(
    file,
    `stages:
  - use: load/cifar10
    with: { directory: "${data}/cifar-10-first-1000", train: [data_batch_1.bin], validation: [data_batch_2.bin], test: [test_batch.bin] }
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: 10 }
  - id: model
    use: gradient-step/${learner}
    with: { ${options[0]} }
  - use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: { ${evaluated} }
`,
  )
  return file
}

/** The rows of the first epochs of a run. */
async function historyUntil(epoch: number, pipeline: Pipeline, kernel: KernelName): Promise<MetricsRow[]> {
  const history: MetricsRow[] = []
  const enough = new AbortController()
  const running = start(pipeline, { directory: false, kernel, signal: enough.signal })
  running.metrics.subscribe((row) => {
    history.push(row as MetricsRow)
    if (row.epoch === epoch) enough.abort()
  })
  await running.result.catch((error) => {
    if (!enough.signal.aborted) throw error
  })
  return history
}

interface Tried {
  readonly names: readonly string[]
  /** The last epoch. */
  readonly last: number
  /** Options of the evaluation. */
  readonly evaluated?: string
}

/** What runs with each kernel. */
const tried: Record<KernelName, Tried> = {
  native: { names: Object.keys(cases), last: 10 },
  wasm: { names: Object.keys(cases), last: 10 },
  // Both take their time: MILLRACE_GOLDEN=10 runs them to the last epoch, the emulated GPU with all cases.
  reference: { names: Object.keys(cases), last: Number(process.env.MILLRACE_GOLDEN ?? 1) },
  // Without a GPU it is emulated, and evaluations take longer than steps.
  webgpu: {
    evaluated: process.env.MILLRACE_GOLDEN ? '' : 'every: 2 epochs, splits: [validation]',
    names: process.env.MILLRACE_GOLDEN
      ? Object.keys(cases)
      : ['momentum', 'two-layer-cyclical', 'three-layer-batch-norm'],
    last: Number(process.env.MILLRACE_GOLDEN ?? 2),
  },
}

for (const [kernel, { names, last, evaluated = '' }] of Object.entries(tried) as [KernelName, Tried][]) {
  const unavailable = missing || (kernel === 'webgpu' ? await webgpuSkip() : await implementations[kernel].missing())
  t.test(`the ${kernel} kernel keeps the values of PyTorch`, { skip: unavailable ?? false }, async (t) => {
    const tolerance = kernel === 'reference' ? 1e-8 : 1e-4
    for (const name of names) {
      await t.test(name, async (t) => {
        const training = cases[name]!
        const file = pipelineOf(
          t,
          training.replace('FILE', `{ from: "${data}/golden/${name}.safetensors" }`),
          evaluated,
        )
        const history = await historyUntil(last, await Pipeline.load(file), kernel)
        t.equal(history.at(-1)?.epoch, last)
        const rows = golden.filter((row) => row.case === name)
        t.equal(rows.length, 4)
        for (const { case: _, epoch, ...metrics } of rows) {
          if (Number(epoch) > last || (kernel !== 'reference' && Number(epoch) > (singleUntil[name] ?? 10))) continue
          const found = history.find((each) => each.epoch === Number(epoch))
          if (!found && evaluated) continue
          for (const [column, value] of Object.entries(metrics)) {
            if (!(column in found!) && evaluated) continue
            const off = Math.abs(found![column]! - Number(value))
            // One row of a thousand may change its class by rounding.
            t.ok(
              off < (column.endsWith('accuracy') ? 0.0011 : tolerance),
              `${column} of epoch ${epoch} is off by ${off}`,
            )
          }
        }
      })
    }
  })
}
