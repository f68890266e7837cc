import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { gradientNormOf, metricInfosOf, metricsRows } from '../../../dist/pipeline/stage-kit.js'
import { problemsOf, runStage, temporary } from '../harness.js'
import { countedBatches, parameters } from '../tables.js'

const entry = (options = '{}') => `- id: steps\n  use: evaluate/steps\n  from: model\n  with: ${options}`

/** Parameters after each of six steps, in two epochs. */
const six = Array.from({ length: 6 }, (_, i) =>
  parameters(
    [
      [i, 2],
      [0, 0],
    ],
    [0, 1],
    { epoch: Math.floor(i / 3) + 1, step: i + 1, epochs: 2, steps: 3 },
  ),
)

t.test('evaluate/steps tells eta and norms every so many steps', async (t) => {
  const { tables } = await runStage(t, entry('{ every: 2 steps, metrics: [parameters_norm, eta] }'), {
    parameters: six,
  })
  t.strictSame(
    tables.flatMap((table) => metricsRows(table)),
    [1, 3, 5].map((i) => ({
      epoch: i < 3 ? 1 : 2,
      step: i + 1,
      parameters_norm: Math.sqrt(i * i + 5),
      eta: 0.1,
    })),
  )
  t.strictSame(metricInfosOf(tables[0]!), {
    parameters_norm: { name: 'parameters_norm', title: 'norm of the parameters' },
    eta: { name: 'eta', title: 'learning rate eta' },
  })
  const { tables: whole } = await runStage(t, entry('{ every: epoch }'), { parameters: six })
  t.strictSame(
    whole.map((table) => metricsRows(table)[0]!.step),
    [3, 6],
  )
})

t.test('wrong options are told with their place', async (t) => {
  const above =
    '- use: load/digits\n- use: batch/rows\n  with: { size: 9, epochs: 1 }\n- id: model\n  use: gradient-step/softmax\n  with: { eta: 1 }\n'
  for (const [options, problem] of [
    ['{ metrics: [eta, eta] }', /^pipeline.yaml:11:\d+ .*metrics: expected each metric once/],
    ['{ metrics: [] }', /^pipeline.yaml:11:\d+ .*metrics: expected a non-empty list/],
    ['{ every: 5 }', /^pipeline.yaml:11:\d+ .*every: expected "epoch", "5 epochs"/],
  ] as const)
    t.match(await problemsOf(t, above + entry(options)), problem)
  t.match(
    await problemsOf(
      t,
      `${above}${entry('{ metrics: [eta] }')}\n- use: stop/gap\n  with: { between: [eta, gradient_norm], above: 1 }`,
    ),
    /no metric named "gradient_norm" is computed; metrics: eta$/,
  )
})

/** Gradient norms of a training stage whose steps show the gradient: `(w_before - w_after) / eta` in float64. */
async function normsOf(t: Test, options: string, sizes: readonly number[], slice?: number) {
  const { referenceKernels } = await import('../../../dist/kernels/reference.js')
  const kernels = { ...referenceKernels(), ...(slice && { slice }) }
  const step = `- use: gradient-step/softmax\n  with: ${options}`
  const every = { steps: 2 }
  const batches = countedBatches(sizes, 2)
  let before: number[] | undefined
  const { tables } = await runStage(t, step, { batches }, { kernels, asked: { gradientNorm: every, start: true } })
  // Tables show live memory, so the parameters of every step are taken from runs that end there.
  const found = tables.flatMap((table) => gradientNormOf(table) ?? [])
  const shown: number[] = []
  for (let last = 0; last <= batches.length; last++) {
    const { tables } = await runStage(
      t,
      step,
      { batches: batches.slice(0, last) },
      { kernels, asked: { start: last > 0 } },
    )
    const after = tables.length > 0 ? [...tables.at(-1)!.getChild('values')!].flatMap((list) => [...list]) : undefined
    if (last > 0 && last % 2 === 0 && before)
      shown.push(Math.sqrt(after!.reduce((sum, w, i) => sum + ((before![i]! - w) / 0.01) ** 2, 0)))
    before = after
  }
  return { found, shown }
}

t.test(
  'the norm is that of the gradient of the step, penalty included, with slices and before clipping too',
  async (t) => {
    for (const slice of [undefined, 2 * (2 + 128) * 3]) {
      const { found, shown } = await normsOf(t, '{ eta: 0.01, lambda: 0.5, init: { normal: 0.1 } }', [3, 5], slice)
      t.equal(found.length, 2)
      for (const [i, norm] of found.entries()) t.ok(Math.abs(norm - shown[i]!) < 1e-9 * norm, `${norm} ${shown[i]}`)
    }
    const plain = await normsOf(t, '{ eta: 0.01, lambda: 0.5, init: { normal: 0.1 } }', [4])
    const clipped = await normsOf(t, '{ eta: 0.01, lambda: 0.5, init: { normal: 0.1 }, clip: 1.0e+9 }', [4])
    t.ok(Math.abs(clipped.found[0]! - plain.found[0]!) < 1e-12 * plain.found[0]!)
  },
)

const pipeline = (measured: boolean, options: string) => `name: a
stages:
  - use: load/digits
  - id: examples
    use: normalize/standardize
  - use: batch/rows
    with: { size: 300, epochs: 3 }
  - id: model
    use: gradient-step/network
    with: { hidden: [12], init: he, eta: 0.02, ${options}, lambda: 0.001 }
${measured ? `  - id: steps\n    use: evaluate/steps\n    with: { every: 2 steps }\n  - use: sink/csv\n    from: steps\n    with: { path: steps.csv }\n` : ''}  - use: sink/parameters
    from: model
`

t.test('measuring changes no step, and gives the same bytes for any number of threads', async (t) => {
  for (const given of [
    'update: sgd',
    'update: adam',
    'l1: 0.001',
    'batchNorm: true',
    'batchNorm: true, update: adam',
  ]) {
    const files: Buffer[][] = []
    for (const [measured, threads] of [
      [false, 1],
      [true, 1],
      [true, 3],
    ] as const) {
      const folder = temporary(t, { 'p.yaml': pipeline(measured, given) })
      const out = join(folder, 'run')
      await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'wasm', threads, oversubscribe: true })
      files.push(['parameters.arrow', ...(measured ? ['steps.csv'] : [])].map((name) => readFileSync(join(out, name))))
    }
    const [plain, one, three] = files
    t.ok(plain![0]!.equals(one![0]!), `${given}: the parameters are those without measuring`)
    t.strictSame(one, three)
    t.equal(String(one![1]).trim().split('\n').length, 1 + 7)
  }
})
