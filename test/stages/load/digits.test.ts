import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { problemsOf, runStage } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'

t.test('load/digits deals all 1,797 images into its splits, each once', async (t) => {
  const { tables, sources } = await runStage(t, '- use: load/digits')
  t.strictSame(
    tables.map((table) => [splitOf(table), table.numRows]),
    [
      ['train', 1258],
      ['validation', 269],
      ['test', 270],
    ],
  )
  const { tables: all } = await runStage(t, '- use: load/digits\n  with: { fractions: { all: 1 } }')
  const sorted = (rows: number[][]) => rows.map(String).sort()
  t.strictSame(sorted(tables.flatMap(featuresIn)), sorted(featuresIn(all[0]!)))
  t.equal(sources.length, 1)
})

t.test('the digits are uint8 images of 8×8 pixels from 0 to 16 with ten classes', async (t) => {
  const { tables } = await runStage(t, '- use: load/digits\n  with: { fractions: { all: 1 } }')
  const { values } = kernelRows(tables[0]!)
  t.ok(values instanceof Uint8Array)
  t.strictSame([Math.max(...values.subarray(0, 64 * 100)), values.some((x) => x > 16)], [16, false])
  t.strictSame(layoutOf(tables[0]!).shape, [1, 8, 8])
  const counts = new Array(10).fill(0)
  for (const label of labelsIn(tables[0]!)) counts[label]++
  t.strictSame(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 'images per class, as published')
})

t.test('which image goes where depends on the seed and the id, and on nothing else', async (t) => {
  const load = async (seed: number, id = 'digits') =>
    labelsIn((await runStage(t, `- use: load/digits\n  id: ${id}`, {}, { seed })).tables[0]!)
  const first = await load(1)
  t.strictSame(await load(1), first)
  t.notSame(await load(2), first)
  t.notSame(await load(1, 'other'), first)
})

t.test('load/digits rejects wrong fractions before any data is read', async (t) => {
  const cases: [fractions: string, problem: string][] = [
    [
      '{ train: 0.8, test: 0.3 }',
      'pipeline.yaml:3:24  stages[0] load/digits: fractions: expected one fraction or more, at most 1 in all, got {"train":0.8,"test":0.3}',
    ],
    [
      '{}',
      'pipeline.yaml:3:24  stages[0] load/digits: fractions: expected one fraction or more, at most 1 in all, got {}',
    ],
    [
      '{ train: 0 }',
      'pipeline.yaml:3:33  stages[0] load/digits: fractions.train: expected a number above 0 and at most 1, an integer at least 2 or "rest", got 0',
    ],
    [
      '{ train: 80 % }',
      'pipeline.yaml:3:33  stages[0] load/digits: fractions.train: expected a number above 0 and at most 1, an integer at least 2 or "rest", got "80 %"',
    ],
  ]
  for (const [fractions, problem] of cases)
    t.equal(await problemsOf(t, `- use: load/digits\n  with: { fractions: ${fractions} }`), problem)
})
