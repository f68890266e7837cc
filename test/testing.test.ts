import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { map, partition, Subject } from 'rxjs'
import t from 'tap'
import { openKernels } from '../dist/kernels/index.js'
import { defineStage, kernelRows, metricsTable, positionOf, wire, z } from '../dist/pipeline/stage-kit.js'
import { batchRows, sinkCsv, stopPatience } from '../dist/stages/index.js'
import { batches, examples, openStage, readStage, runStage } from '../dist/testing.js'

const four = { values: [[1], [2], [3], [4]], labels: [0, 1, 0, 1] }
const infos = { validation_cost: { name: 'cost', title: 'cost', better: 'lower' } } as const
const rows = (costs: readonly number[]) =>
  costs.map((cost, i) =>
    metricsTable({ epoch: i + 1, step: i + 1, epochs: 9, steps: 1 }, { validation_cost: cost }, infos),
  )

/** A stage that tells its run all it can. */
const talkative = defineStage({
  name: 'tests/talkative',
  summary: 'Tells its run all it can.',
  options: z.strictObject({ splits: z.array(z.string()).optional() }),
  inputs: { batches: wire.batch },
  outputs: { batches: wire.batch },
  example: '',
  run: (_, context) => (tables) => {
    context.note(`${context.id} has ${context.inputs.batches?.splits ?? 'unknown splits'}`)
    context.source({ path: 'a', bytes: 1, sha256: 'b' })
    context.terminal.write(`${context.terminal.interactive} ${context.kernels.name}`)
    context.stop('enough')
    return tables
  },
})

/** A stage with two outputs. */
const fork = defineStage({
  name: 'fork',
  summary: 'Parts batches into odd and even steps.',
  options: z.strictObject({}),
  inputs: { batches: wire.batch },
  outputs: { odd: wire.batch, even: wire.batch },
  example: '',
  run: () => (tables) => {
    const [odd, even] = partition(tables, (table) => positionOf(table).step % 2 === 1)
    return { odd, even }
  },
})

t.test('a stage is given as an object or as an entry of a pipeline', async (t) => {
  const inputs = { examples: [examples(four)] }
  const sizes = ({ tables }: Awaited<ReturnType<typeof runStage>>) => tables.map((table) => table.numRows)
  t.strictSame(sizes(await runStage({ use: batchRows, with: { size: 3, epochs: 1 } }, inputs)), [3, 1])
  t.strictSame(sizes(await runStage('- use: batch/rows\n  with: { size: 3, epochs: 1 }', inputs)), [3, 1])
  t.strictSame(sizes(await runStage('{ use: batch/rows, with: { size: 2, epochs: 1 } }', inputs)), [2, 2])
  t.match(await readStage('- use: ./noise.js', 'examples'), { use: { name: 'noise' }, id: 'noise' })
  await t.rejects(runStage('- use: batch/row'), { code: 'DEFINITION', message: /did you mean "batch\/rows"/ })
  await t.rejects(runStage('batch/rows'), {
    code: 'DEFINITION',
    message: 'expected an entry of a pipeline: "- use: …"',
  })
})

t.test('wrong options and inputs are refused before the stage is made', async (t) => {
  const cases: [open: () => unknown, expected: { code?: string; message: string | RegExp }][] = [
    [
      () => openStage({ use: batchRows, with: { size: 0, epochs: 1 } }),
      { code: 'DEFINITION', message: 'code  batch/rows: size: expected a positive integer, got 0' },
    ],
    [
      // @ts-expect-error: an option that the stage does not have
      () => openStage({ use: batchRows, with: { szie: 1, epochs: 1 } }),
      { code: 'DEFINITION', message: /unknown option "szie"; did you mean "size"/ },
    ],
    [
      () => openStage({ use: batchRows, with: { size: 1, epochs: 1 } }),
      { message: 'batch/rows: expected tables for the input "examples"' },
    ],
    [
      // @ts-expect-error: an input that the stage does not have
      () => openStage({ use: talkative }, { batches: [], examples: [] }),
      { message: 'tests/talkative has no input "examples"; it has batches' },
    ],
  ]
  for (const [open, expected] of cases) t.throws(open, expected)
})

t.test('what a stage tells its run is recorded', async (t) => {
  const told = await runStage({ use: talkative }, { batches: batches(four, { size: 2 }) })
  t.match(told, {
    tables: { length: 2 },
    notes: ['talkative has unknown splits'],
    sources: [{ path: 'a', bytes: 1, sha256: 'b' }],
    printed: ['false reference'],
    stops: ['enough'],
  })
  const kernels = await openKernels({ kernel: 'wasm', threads: 1 })
  const facts = { batches: { splits: ['train'] } }
  const more = await runStage({ use: talkative, id: 'x' }, { batches: [] }, { kernels, facts, interactive: true })
  kernels.close()
  t.match(more, { notes: ['x has train'], printed: ['true wasm'] })
})

t.test('a stage with several outputs has its tables by port, too', async (t) => {
  const { tables, outputs } = await runStage({ use: fork }, { batches: batches(four, { size: 1 }) })
  const steps = Object.entries(outputs).map(([port, tables]) => [port, tables.map((table) => positionOf(table).step)])
  t.strictSame(Object.fromEntries(steps), { odd: [1, 3], even: [2, 4] })
  t.equal(tables.length, 4)
})

t.test('the error of a stage is the one it threw, and the run directory is free afterwards', async (t) => {
  const error = new Error('from the stage')
  const failing = defineStage({
    ...talkative,
    run: () =>
      map(() => {
        throw error
      }),
  })
  const directory = t.testdir()
  for (let i = 0; i < 2; i++)
    await t.rejects(runStage({ use: failing }, { batches: batches(four, { size: 2 }) }, { directory }), error)
  t.notOk(existsSync(join(directory, 'lock')))
})

t.test('the state of a stage is taken while it works, and another one resumes from it', async (t) => {
  const use = { use: stopPatience, with: { patience: 2 } }
  const metrics = new Subject<ReturnType<typeof metricsTable>>()
  const killed = openStage(use, { metrics })
  const subscription = killed.tables.subscribe()
  for (const table of rows([3, Number.NaN])) metrics.next(table)
  const state = await killed.snapshot()
  subscription.unsubscribe()
  t.strictSame(state, { best: { value: 3, epoch: 1 }, worse: 1 })
  t.strictSame((await runStage(use, { metrics: rows([5]) }, { state })).stops, [
    'validation_cost has not become better for 2 evaluations; the best was 3 in epoch 1',
  ])
  t.strictSame((await runStage(use, { metrics: rows([5]) })).stops, [])
  await t.rejects(runStage(use, { metrics: [] }, { state: { worse: 'x' } }), {
    code: 'DATA',
    message: /^the state is not this stage's: /,
  })
})

t.test('the state is that between two tables, also of a stage that gives them itself', async (t) => {
  const stage = openStage({ use: batchRows, with: { size: 2, epochs: 9 } }, { examples: [examples(four)] })
  let state: Promise<unknown> | undefined
  await stage.tables.forEach((table) => {
    if (positionOf(table).step === 11) state = stage.snapshot()
  })
  t.strictSame(await state, { epoch: 6 })
  t.equal(await openStage({ use: talkative }, { batches: [] }).snapshot(), undefined, 'it keeps none')
})

t.test('a stage that is slow with a table is waited for', async (t) => {
  let isDone = false
  const slow = defineStage({
    ...talkative,
    run: (_, context) => (tables) => {
      context.state(z.boolean(), { snapshot: () => isDone, restore: () => {} })
      return tables.pipe(
        context.flow.concatMap(async (table) => {
          await sleep(20)
          isDone = true
          return table
        }),
      )
    },
  })
  const stage = openStage({ use: slow }, { batches: batches(four, { size: 4 }) })
  const subscription = stage.tables.subscribe()
  t.equal(await stage.snapshot(), true)
  subscription.unsubscribe()
})

t.test('a sink that grows goes on in the directory of the run before', async (t) => {
  const metrics = new Subject<ReturnType<typeof metricsTable>>()
  const killed = openStage({ use: sinkCsv }, { metrics })
  const subscription = killed.tables.subscribe()
  const [one, two] = rows([1, 2])
  metrics.next(one!)
  const state = await killed.snapshot()
  metrics.next(two!)
  subscription.unsubscribe()
  const { directory } = killed
  await runStage({ use: sinkCsv }, { metrics: rows([1, 2, 3]) }, { directory, state })
  t.equal(readFileSync(join(directory, 'metrics.csv'), 'utf8'), 'epoch,step,validation_cost\n1,1,1\n2,2,2\n3,3,3\n')
})

t.test('the draws of a stage depend on the seed and on its id', async (t) => {
  const drawing = defineStage({
    ...talkative,
    run: (_, { random }) => map(() => examples({ ...four, values: four.values.map(() => [random('x').below(99)]) })),
  })
  const draw = async (id: string, seed?: number) => {
    const { tables } = await runStage({ use: drawing, id }, { batches: [examples(four)] }, seed ? { seed } : {})
    return kernelRows(tables[0]!).values[0]
  }
  t.equal(await draw('a'), await draw('a', 1))
  t.not(await draw('a'), await draw('b'))
  t.not(await draw('a'), await draw('a', 2))
})
