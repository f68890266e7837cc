import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as after } from 'node:timers/promises'
import { type Table, tableFromArrays } from 'apache-arrow'
import { concatMap, EMPTY, filter, ignoreElements, map, type Observable, of, tap } from 'rxjs'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import {
  type AnyStage,
  defineStage,
  exampleFields,
  examplesTable,
  positionOf,
  splitOf,
  wire,
  z,
} from '../../../dist/pipeline/stage-kit.js'
import { inside } from '../../stages/harness.js'

function inFolder(t: Test): void {
  inside(t, t.testdir({}))
}

const shape = [2]
const classes = ['left', 'right']
const fields = exampleFields({ shape, classes }, new Float32Array(0))
const rows = (split: string, count: number): Table =>
  examplesTable(
    fields,
    Float32Array.from({ length: 2 * count }, (_, i) => Math.sin(i)),
    Int32Array.from({ length: count }, (_, i) => i % 2),
    split,
  )

/** A load that waits before each table. */
const slowLoad = defineStage({
  name: 'slow-load',
  summary: 'Gives each split after a while.',
  options: z.strictObject({ splits: z.array(z.string()), pause: z.number() }),
  inputs: {},
  outputs: { examples: wire.examples },
  example: '',
  facts: ({ options }) => ({ examples: { splits: options.splits, shape, classes } }),
  run: ({ splits, pause }, { flow }) => {
    async function* tables() {
      for (const split of splits) {
        await after(pause)
        yield rows(split, 40)
      }
    }
    return flow.pull(tables())
  },
})

/** A sink that hands every table to a function. */
function sink(name: string, take: (table: Table) => unknown): AnyStage {
  return defineStage({
    name,
    summary: 'Hands on.',
    options: z.strictObject({}),
    inputs: { tables: wire.any },
    outputs: {},
    example: '',
    run: () => (tables) => tables.pipe(tap(take), ignoreElements()),
  })
}

t.test(
  'an evaluation that waits for a second load lets the first one train, and both end',
  { timeout: 5000 },
  async (t) => {
    inFolder(t)
    for (const [first, second] of [
      [0, 30],
      [30, 0],
    ] as const) {
      const pipeline = await Pipeline.define({
        name: 'two',
        stages: [
          { id: 'trained', use: slowLoad, with: { splits: ['train'], pause: first } },
          { id: 'judged', use: slowLoad, with: { splits: ['far', 'away'], pause: second } },
          { use: 'batch/rows', from: 'trained', with: { size: 10, epochs: 3 } },
          { id: 'model', use: 'gradient-step/softmax', with: { eta: 0.1 } },
          {
            use: 'evaluate/classification',
            from: { parameters: 'model', examples: 'judged' },
            with: { every: { steps: 1 } },
          },
        ],
      })
      const { history } = await run(pipeline)
      t.strictSame(
        history.map(({ step }) => step),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      )
      t.strictSame(Object.keys(history[0]!).slice(2), [
        'far_loss',
        'far_cost',
        'far_accuracy',
        'away_loss',
        'away_cost',
        'away_accuracy',
      ])
    }
  },
)

t.test('every consumer of an output sees every table, the first one included', async (t) => {
  inFolder(t)
  const seen: string[][] = [[], []]
  const pipeline = await Pipeline.define({
    name: 'fork',
    stages: [
      { id: 'data', use: slowLoad, with: { splits: ['a', 'b', 'c'], pause: 0 } },
      { use: sink('one', (table) => seen[0]!.push(splitOf(table))) },
      { use: sink('two', (table) => seen[1]!.push(splitOf(table))), from: 'data' },
    ],
  })
  await run(pipeline)
  t.strictSame(seen, [
    ['a', 'b', 'c'],
    ['a', 'b', 'c'],
  ])
})

t.test('a source that emits as soon as it is subscribed loses nothing', async (t) => {
  inFolder(t)
  const eager = defineStage({
    name: 'eager',
    summary: 'Emits at once.',
    options: z.strictObject({}),
    inputs: {},
    outputs: { examples: wire.examples },
    example: '',
    run: () => of(rows('a', 1), rows('b', 1)),
  })
  const seen: string[] = []
  const pipeline = await Pipeline.define({
    name: 'eager',
    stages: [{ use: eager }, { use: sink('one', (table) => seen.push(splitOf(table))) }],
  })
  await run(pipeline)
  t.strictSame(seen, ['a', 'b'])
})

t.test('a stage with two outputs feeds each consumer from the right one', async (t) => {
  inFolder(t)
  const seen: Record<string, string[]> = { short: [], long: [] }
  const sorted = defineStage({
    name: 'sorted',
    summary: 'Parts the splits by the length of their names.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: { short: wire.examples, long: wire.examples },
    example: '',
    run: () => (examples: Observable<Table>) => ({
      short: examples.pipe(filter((table) => splitOf(table).length === 1)),
      long: examples.pipe(filter((table) => splitOf(table).length > 1)),
    }),
  })
  const pipeline = await Pipeline.define({
    name: 'parted',
    stages: [
      { id: 'data', use: slowLoad, with: { splits: ['a', 'bb', 'c'], pause: 0 } },
      { id: 'sorted', use: sorted },
      { use: sink('one', (table) => seen.long!.push(splitOf(table))), from: 'sorted.long' },
      { use: sink('two', (table) => seen.short!.push(splitOf(table))), from: 'sorted.short' },
    ],
  })
  await run(pipeline)
  t.strictSame(seen, { short: ['a', 'c'], long: ['bb'] })
})

t.test('tables flow on a wire of a type of its own', async (t) => {
  inFolder(t)
  const seen: number[] = []
  const count = defineStage({
    name: 'count',
    summary: 'Counts the rows of each table.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: { counts: { type: 'counts' } },
    example: '',
    run: () => map((table: Table) => tableFromArrays({ count: Int32Array.of(table.numRows) })),
  })
  const keep = defineStage({
    name: 'keep',
    summary: 'Keeps the counts.',
    options: z.strictObject({}),
    inputs: { counts: { type: 'counts' } },
    outputs: {},
    example: '',
    run: () => tap((table: Table) => seen.push(table.getChild('count')!.get(0))),
  })
  const pipeline = await Pipeline.define({
    name: 'counts',
    stages: [{ use: slowLoad, with: { splits: ['a', 'b'], pause: 0 } }, { use: count }, { use: keep }],
  })
  await run(pipeline)
  t.strictSame(seen, [40, 40])
})

t.test('a slow sink slows the training down: no more than one batch is on its way', async (t) => {
  inFolder(t)
  let [made, written, most] = [0, 0, 0]
  const counting = defineStage({
    name: 'counting',
    summary: 'Counts batches.',
    options: z.strictObject({}),
    inputs: { batches: wire.batch },
    outputs: { batches: wire.batch },
    example: '',
    run: () =>
      map((batch: Table) => {
        most = Math.max(most, ++made - written)
        return batch
      }),
  })
  const slow = defineStage({
    name: 'slow',
    summary: 'Takes its time.',
    options: z.strictObject({}),
    inputs: { parameters: wire.parameters },
    outputs: {},
    example: '',
    run: (_, { flow }) =>
      flow.concatMap(async (table) => {
        await after(1)
        written = positionOf(table).step
      }),
  })
  const pipeline = await Pipeline.define({
    name: 'slow',
    stages: [
      { id: 'data', use: slowLoad, with: { splits: ['train'], pause: 0 } },
      { use: 'batch/rows', with: { size: 2, epochs: 2 } },
      { use: counting },
      { use: 'gradient-step/softmax', with: { eta: 0.1 } },
      { use: slow },
    ],
  })
  await run(pipeline)
  t.equal(made, 40)
  t.equal(written, 40)
  t.equal(most, 1)
})

t.test('stages that wait for each other end the run with an error, not in silence', async (t) => {
  // In a process of its own: only there does the event loop run empty.
  const folder = t.testdir({
    'run.mjs': `import { Pipeline, run } from 'millrace'
import { defineStage, wire, z } from 'millrace/stage'
import { NEVER } from 'rxjs'
const never = defineStage({ name: 'never', summary: '', options: z.strictObject({}), inputs: {},
  outputs: { examples: wire.examples }, example: '', run: () => NEVER })
const pipeline = await Pipeline.define({ name: 'stuck', stages: [{ use: never }, { use: 'normalize/standardize' }] })
await run(pipeline, { out: 'out' }).catch((error) => console.log(error.code, error.message))`,
  })
  const said = execFileSync(process.execPath, ['run.mjs'], { cwd: folder, encoding: 'utf8', timeout: 10_000 })
  const message =
    'nothing is left to do, but never and standardize did not end: they wait for each other, or for what never comes'
  t.equal(said, `STAGE ${message}\n`)
  t.match(JSON.parse(readFileSync(`${folder}/out/run.json`, 'utf8')), { status: 'failed', error: message })
})

t.test('a stage may end early: the others go on', async (t) => {
  inFolder(t)
  const seen: string[] = []
  const deaf = defineStage({
    name: 'deaf',
    summary: 'Ends before it begins.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: {},
    example: '',
    run: () => () => EMPTY,
  })
  const pipeline = await Pipeline.define({
    name: 'early',
    stages: [
      { id: 'data', use: slowLoad, with: { splits: ['a', 'b'], pause: 1 } },
      { use: deaf },
      { use: sink('one', (table) => seen.push(splitOf(table))), from: 'data' },
    ],
  })
  await run(pipeline)
  t.strictSame(seen, ['a', 'b'])
})

t.test('an error unsubscribes the stages that still work', async (t) => {
  inFolder(t)
  let count = 0
  const endless = defineStage({
    name: 'endless',
    summary: 'Never ends.',
    options: z.strictObject({}),
    inputs: {},
    outputs: { examples: wire.examples },
    example: '',
    run: (_, { flow }) => {
      function* tables() {
        for (;;) {
          count++
          yield rows('train', 1)
        }
      }
      return flow.pull(tables())
    },
  })
  const failing = defineStage({
    name: 'failing',
    summary: 'Fails after ten tables.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: {},
    example: '',
    run: () =>
      concatMap((_, i) => {
        if (i === 9) throw new Error('enough')
        return EMPTY
      }),
  })
  const pipeline = await Pipeline.define({ name: 'endless', stages: [{ use: endless }, { use: failing }] })
  await t.rejects(run(pipeline), { message: 'code  stages[1] failing: enough', code: 'STAGE' })
  await after(5)
  t.equal(count, 10)
})
