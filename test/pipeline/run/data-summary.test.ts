import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { from, lastValueFrom, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { Pipeline, type RunEvent, start } from '../../../dist/index.js'
import { classRemarks, type DataSummary, formatSummary, watchData } from '../../../dist/pipeline/run/data-summary.js'
import { defineStage, wire, z } from '../../../dist/pipeline/stage-kit.js'
import { temporary } from '../../stages/harness.js'
import { examples } from '../../stages/tables.js'

const summary = (counts: Record<string, number[]>, classes = ['a', 'b', 'c']): DataSummary => ({
  shape: [2],
  classes,
  splits: Object.entries(counts).map(([name, perClass]) => ({
    name,
    rows: perClass.reduce((a, b) => a + b, 0),
    perClass,
  })),
})

t.test('the rows of each class are counted per split, over all tables of the split', async (t) => {
  const tables = [
    examples([[1], [2], [3]], [0, 2, 2]),
    examples([[4]], [1], { split: 'test' }),
    examples([[5]], [2]),
    examples([], [], { split: 'empty', shape: [1] }),
  ]
  const found = await new Promise<DataSummary>((resolve) => watchData(from(tables), resolve))
  t.strictSame(found, {
    shape: [1],
    classes: ['a', 'b', 'c'],
    splits: [
      { name: 'train', rows: 4, perClass: [1, 0, 3] },
      { name: 'test', rows: 1, perClass: [0, 1, 0] },
      { name: 'empty', rows: 0, perClass: [0, 0, 0] },
    ],
  })
  watchData(from([]), () => t.fail('there was no table'))
})

t.test('classes of one split alone, and labels like ids, are remarked', (t) => {
  const ids = Array.from({ length: 12 }, (_, i) => `id${i}`)
  const measured = ids.map((_, i) => String(i + 0.5))
  const codes = Array.from({ length: 60 }, (_, i) => String(i))
  const cases: [data: DataSummary, remarks: string[]][] = [
    [summary({ train: [3, 3, 3], test: [1, 1, 1] }), []],
    [summary({ train: [3, 3, 3] }), []],
    [summary({ train: [3, 3, 3], test: [0, 0, 0] }), []],
    [summary({ train: [3, 3, 0], test: [1, 1, 0] }), []],
    [
      summary({ train: [3, 3, 0], validation: [0, 1, 1], test: [0, 1, 0] }),
      ['1 of 3 classes occurs in train alone: a', '1 of 3 classes occurs in validation alone: c'],
    ],
    [summary({ all: ids.map(() => 1) }, ids), ['12 classes for 12 rows: is the label column one of ids?']],
    [summary({ all: ids.map(() => 2) }, ids), []],
    [summary({ all: [1, 1, 1] }), []],
    [
      summary({ all: measured.map(() => 3) }, measured),
      ['12 classes, all of them numbers such as 0.5: is the label column a measurement?'],
    ],
    [
      summary({ all: codes.map(() => 3) }, codes),
      ['60 classes, all of them numbers such as 0: is the label column a measurement?'],
    ],
    [summary({ all: codes.map(() => 30) }, codes), []],
  ]
  for (const [data, remarks] of cases) t.strictSame(classRemarks(data), remarks)
  t.end()
})

t.test('a summary is one line, whatever the number of classes and the length of their names', (t) => {
  t.equal(
    formatSummary(summary({ train: [3, 4, 5], test: [1, 0, 1] })),
    '14 rows × 2 features (train 12, test 2), 3 classes: a (3 + 1), b (4 + 0), c (5 + 1)',
  )
  const many = Array.from({ length: 1000 }, (_, i) => `${i}`.padEnd(300, '.'))
  const line = formatSummary(summary({ all: many.map(() => 1) }, many))
  t.match(line, /^1000 rows × 2 features \(all 1000\), 1000 classes: 0\.{38}… \(1\), 1.* …$/)
  t.ok(line.length < 700)
  const part: DataSummary = { shape: [1, 8, 8], classes: ['x'], splits: [{ name: 'train', rows: 1 }] }
  t.equal(formatSummary(part), '1 row × 64 features (train 1), 1 class: x')
  t.end()
})

/** Runs stages and returns the events. */
async function eventsOf(t: Test, stages: Parameters<typeof Pipeline.define>[0]['stages']): Promise<RunEvent[]> {
  const pipeline = await Pipeline.define({ name: 'p', stages })
  const under = start(pipeline, { out: join(temporary(t), 'run'), kernel: 'reference' })
  const events = lastValueFrom(under.events.pipe(toArray()))
  await under.result.catch(() => {})
  return events
}

const training = [
  { use: 'batch/rows', with: { size: 2, epochs: 1 } },
  { use: 'gradient-step/softmax', with: { eta: 0.1 } },
] as const

t.test('a run tells what any load stage has loaded before it trains, and keeps the remarks', async (t) => {
  const own = defineStage({
    name: 'my/load',
    summary: 'Two classes in train, one of another in test.',
    options: z.strictObject({}),
    inputs: {},
    outputs: { examples: wire.examples },
    example: '- use: my/load',
    run: (_, { flow }) => flow.pull([examples([[1], [2]], [0, 1]), examples([[3]], [2], { split: 'test' })]),
  })
  const events = await eventsOf(t, [{ use: own }, ...training])
  const data = events.findIndex((event) => event.type === 'data')
  t.match(events[data], { stage: 'load', shape: [1], classes: ['a', 'b', 'c'] })
  t.ok(data < events.findIndex((event) => event.type === 'stage-end' && event.stage === 'softmax'))
  t.strictSame(
    events.flatMap((event) => (event.type === 'note' ? [`${event.stage}: ${event.message}`] : [])),
    [
      'load: 2 of 3 classes occur in train alone: a, b',
      'load: 1 of 3 classes occurs in test alone: c',
      'rows: 1 of 3 classes has no rows in train: c',
    ],
  )
})

t.test('one class alone is refused', async (t) => {
  const file = join(temporary(t, { 'a.csv': 'x,class\n1,7\n2,7.0\n3, 7 \n' }), 'a.csv')
  const events = await eventsOf(t, [{ use: 'load/csv', with: { path: file, fractions: { train: 1 } } }, ...training])
  t.match(events.at(-1), { type: 'end', status: 'failed', error: /expected at least 2 classes, found 1/ })
})

t.test('the same rows are tested, whatever the seed of the run', async (t) => {
  const folder = temporary(t)
  /** The splits of a run as `sink/arrow` writes them. */
  async function splits(out: string, settings: { seed?: number; set?: string[] }, definition = join(folder, 'p.yaml')) {
    const pipeline = await Pipeline.load(definition, settings)
    await start(pipeline, { out: join(folder, out), kernel: 'reference' }).result
    return readFileSync(join(folder, out, 'digits.arrows'))
  }
  writeFileSync(
    join(folder, 'p.yaml'),
    'seed: 1\nstages:\n  - use: load/digits\n    with: { fractions: { train: 0.05, test: 0.02 } }\n' +
      '  - use: sink/arrow\n    from: digits\n    with: { path: digits.arrows }\n' +
      '  - use: batch/rows\n    from: digits\n    with: { size: 50, epochs: 1 }\n  - use: gradient-step/softmax\n    with: { eta: 0.1 }\n',
  )
  const first = await splits('a', {})
  t.ok(first.equals(await splits('b', { seed: 2 })), '--seed')
  t.ok(first.equals(await splits('c', {}, join(folder, 'b/pipeline.yaml'))), 'the definition that the run wrote')
  t.match(readFileSync(join(folder, 'b/pipeline.yaml'), 'utf8'), /^seed: 2\nsplitSeed: 1\n/m)
  t.notMatch(readFileSync(join(folder, 'a/pipeline.yaml'), 'utf8'), /splitSeed/)
  for (const set of [['splitSeed=2'], ['digits.seed=2'], ['digits.stratify=true']])
    t.notOk(first.equals(await splits(set[0]!, { set })), set[0])
  t.ok((await splits('d', { set: ['digits.seed=2'] })).equals(await splits('e', { set: ['splitSeed=2'] })))
})
