import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { Subject } from 'rxjs'
import t from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { type MetricInfo, metricsTable, modelOf } from '../../../dist/pipeline/stage-kit.js'
import { openStage, problemsOf, temporary } from '../harness.js'
import { countedBatches } from '../tables.js'

const entry = (plateau: string) =>
  `- use: gradient-step/softmax\n  with: { eta: { plateau: { start: 1, metric: test_loss, ${plateau} } } }`
const infos: Record<string, MetricInfo> = { test_loss: { split: 'test', name: 'loss', title: 'loss', better: 'lower' } }
const evaluated = (step: number, value: number): Table =>
  metricsTable({ epoch: step, step, epochs: 9, steps: 1 }, { test_loss: value }, infos)

/** The learning rates of steps whose evaluations have these values; the state after `stopAt` is handed to a second stage. */
async function etas(
  plateau: string,
  values: readonly number[],
  { stopAt = values.length, state }: { stopAt?: number; state?: unknown } = {},
): Promise<{ found: number[]; state: unknown }> {
  const [batches, watched] = [new Subject<Table>(), new Subject<Table>()]
  const { tables, snapshot } = openStage(t, entry(plateau), { batches }, { watched, state })
  const found: number[] = []
  const done = tables.forEach((table) => {
    found.push(modelOf(table).eta)
  })
  for (const [i, batch] of countedBatches([4], values.length).entries()) {
    if (i >= stopAt) break
    const before = found.length
    batches.next(batch)
    // The first step opens the model.
    for (let turns = 0; found.length === before && turns < 50; turns++) await new Promise((r) => setImmediate(r))
    if (found.length > before) watched.next(evaluated(i + 1, values[i]!))
  }
  const after = await snapshot()
  batches.complete()
  await done
  return { found, state: after }
}

const round = (values: readonly number[]) => values.map((value) => Number(value.toFixed(9)))

t.test('eta is reduced in the step after so many evaluations that were not better', async (t) => {
  const values = [5, 4, 4, 4.5, 4, 3, 3, 3, 3, 3]
  const { found } = await etas('factor: 0.5, patience: 2', values)
  // Worse: evaluations 3, 4 (reduced), 5; better: 6; worse: 7, 8 (reduced), 9, 10.
  t.strictSame(round(found), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25])
  t.strictSame(
    round((await etas('factor: 0.1, patience: 1, min: 0.02', [1, 1, 1, 1, 1])).found),
    [1, 1, 0.1, 0.02, 0.02],
  )
  t.strictSame(
    round((await etas('factor: 0.5, patience: 2, minDelta: 0.5', [3, 2.6, 2.5, 2.6, 1])).found),
    [1, 1, 1, 0.5, 0.5],
    'better by more than minDelta',
  )
  t.strictSame(round((await etas('factor: 0.5, patience: 2', [Number.NaN, Number.NaN, 1])).found), [1, 1, 0.5])
})

t.test('a stage that goes on from its state has the same rates', async (t) => {
  const values = [5, 4, 4, 4.5, 4, 3, 3, 3, 3, 3]
  const { found: whole } = await etas('factor: 0.5, patience: 2', values)
  for (const stopAt of [1, 3, 4, 7]) {
    const { found, state } = await etas('factor: 0.5, patience: 2', values, { stopAt })
    const { found: rest } = await etas('factor: 0.5, patience: 2', values, { state })
    t.strictSame([...found, ...rest], whole, `stopped after ${stopAt} steps`)
  }
})

t.test('an evaluation that comes too late is an error of the next step', async (t) => {
  const [batches, watched] = [new Subject<Table>(), new Subject<Table>()]
  const { tables } = openStage(t, entry('patience: 1'), { batches }, { watched })
  let steps = 0
  const done = tables.forEach(() => {
    steps++
  })
  const [first, second, third] = countedBatches([4], 3)
  batches.next(first!)
  while (steps === 0) await new Promise((r) => setImmediate(r))
  batches.next(second!)
  watched.next(evaluated(1, 1))
  batches.next(third!)
  await t.rejects(done, {
    code: 'STAGE',
    message: /^the evaluation of step 1 came after step 2 was made, too late for a learning rate that watches it/,
  })
})

const pipeline = (metric: string, more = '') => `- id: examples
  use: load/digits
- use: batch/rows
  with: { size: 300, epochs: 8 }
- id: model
  use: gradient-step/softmax
  with: { eta: { plateau: { start: 0.1, metric: ${metric}, patience: 1, factor: 0.5 } } }
- id: metrics
  use: evaluate/classification
  from: { parameters: model, examples: examples }
  with: { splits: [train, test] }
${more}`

t.test('what it watches is checked before any data is read', async (t) => {
  const at = 'pipeline.yaml:8:51  stages[2] gradient-step/softmax: eta.plateau.metric: '
  t.equal(
    await problemsOf(t, pipeline('test_los')),
    `${at}no metric named "test_los" of this model is computed; did you mean "test_loss"?`,
  )
  t.match(
    await problemsOf(t, pipeline('test_loss').replace(/- id: metrics[\s\S]*/, '')),
    `${at}no stage evaluates this model`,
  )
  t.match(
    await problemsOf(
      t,
      pipeline(
        'test_loss',
        '- id: again\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n',
      ),
    ),
    /"test_loss" is computed by stages\[3\] evaluate\/classification at \S+ and stages\[4\] .*; expected one stage$/,
  )
  for (const [from, to, problem] of [
    ['start: 0.1', 'start: 0', /eta/],
    ['factor: 0.5', 'factor: 1', /eta/],
    ['factor: 0.5', 'min: 1', /eta.*min: expected at most start/],
    ['patience: 1', 'patience: 0', /eta/],
  ] as const)
    t.match(await problemsOf(t, pipeline('test_loss').replace(from, to)), problem)
})

t.test('a run reduces eta in the first step after an evaluation, the same with any number of threads', async (t) => {
  const text = pipeline(
    'test_loss',
    '- id: steps\n  use: evaluate/steps\n  from: model\n  with: { every: 1 steps, metrics: [eta] }\n- use: sink/csv\n',
  )
  const files: string[] = []
  let rows: { step: number; test_loss?: number }[] = []
  for (const threads of [1, 2]) {
    const folder = temporary(t, { 'p.yaml': `name: p\nstages:\n${text.replaceAll(/^(?=.)/gm, '  ')}` })
    const out = join(folder, 'run')
    const { history } = await run(await Pipeline.load(join(folder, 'p.yaml')), { out, kernel: 'wasm', threads })
    rows = history as typeof rows
    files.push(readFileSync(join(out, 'metrics.csv'), 'utf8'))
  }
  t.equal(files[0], files[1])
  const found = files[0]!
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[2]))
  let [eta, best] = [0.1, Number.POSITIVE_INFINITY]
  const after = new Map(rows.map(({ step, test_loss }) => [step, test_loss!]))
  const expected = found.map((_, i) => {
    const now = eta
    const value = after.get(i + 1)
    if (value !== undefined && value >= best) eta /= 2
    if (value !== undefined) best = Math.min(best, value)
    return now
  })
  t.strictSame(found, expected)
  t.ok(found.at(-1)! < 0.1, 'it was reduced')
})
