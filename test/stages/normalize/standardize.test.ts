import { EMPTY, Observable, throwError } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const entry = '- use: normalize/standardize\n  with: { fit: train }'
const near = (actual: number[], expected: number[], tolerance: number) =>
  actual.length === expected.length && actual.every((x, i) => Math.abs(x - expected[i]!) <= tolerance)

t.test(
  'normalize/standardize subtracts the mean of the fit split and divides by its population deviation',
  async (t) => {
    for (const Values of [Uint8Array, Float32Array] as const) {
      const { tables } = await runStage(t, entry, {
        examples: [
          examples([[9, 100]], [0], { split: 'test' }, Values),
          examples([[1, 20]], [0], {}, Values),
          examples([[5, 60]], [1], {}, Values),
        ],
      })
      t.strictSame(tables.map(splitOf), ['test', 'train', 'train'], 'all tables come out, in their order')
      t.strictSame(tables.map(featuresIn), [[[3, 3]], [[-1, -1]], [[1, 1]]], 'mean 3 and 40, deviation 2 and 20')
      t.ok(kernelRows(tables[0]!).values instanceof Values)
    }
  },
)

t.test('uint8 rows stay where they are: the map travels with them', async (t) => {
  const table = examples([[1], [5]], [0, 1])
  const { tables } = await runStage(t, entry, { examples: [table] })
  t.equal(kernelRows(tables[0]!).values.buffer, kernelRows(table).values.buffer)
  t.strictSame(layoutOf(tables[0]!).affine, { mean: Float64Array.of(3), scale: Float64Array.of(0.5) })
})

t.test('a constant feature becomes 0 on every split, with a note', async (t) => {
  const cases = [
    [Uint8Array, 7],
    [Float32Array, 7],
    [Float32Array, 0.1],
  ] as const
  for (const [Values, constant] of cases) {
    const rows = [1, 2, 3].map((x) => [x, constant])
    const { tables, notes } = await runStage(t, entry, {
      examples: [examples(rows, [0, 1, 2], {}, Values), examples([[2, 200]], [0], { split: 'test' }, Values)],
    })
    t.strictSame(
      tables.flatMap(featuresIn).map(([, x]) => Math.abs(x!)),
      [0, 0, 0, 0],
    )
    t.strictSame(notes, ['1 of 2 features is constant on train and becomes 0 (1)'])
  }
})

t.test('uint8 features that are almost constant become float32, correct to the last digit of it', async (t) => {
  const rows = Array.from({ length: 10000 }, (_, i) => [i === 0 ? 250 : 251])
  const { tables } = await runStage(t, entry, { examples: [examples(rows, new Array(10000).fill(0))] })
  t.ok(kernelRows(tables[0]!).values instanceof Float32Array)
  const [mean, deviation] = [251 - 1e-4, Math.sqrt(1e-4 - 1e-8)]
  const [low, high] = featuresIn(tables[0]!) as [number[], number[]]
  t.ok(near(low, [(250 - mean) / deviation], 1e-5))
  t.ok(near(high, [(251 - mean) / deviation], 1e-8))
})

t.test('float32 features with mean 1e6 and deviation 1 are standardised as in float64', async (t) => {
  const xs = Float32Array.from({ length: 2000 }, (_, i) => 1e6 + Math.sqrt(3) * (((i * 7919) % 2000) / 1000 - 1))
  const mean = xs.reduce((sum, x) => sum + x, 0) / xs.length
  const deviation = Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / xs.length)
  t.ok(Math.abs(deviation - 1) < 0.01)
  const { tables } = await runStage(t, entry, {
    examples: [
      examples(
        [...xs].map((x) => [x]),
        new Array(2000).fill(0),
        {},
        Float32Array,
      ),
    ],
  })
  t.ok(
    near(
      featuresIn(tables[0]!).flat(),
      [...xs].map((x) => (x - mean) / deviation),
      1e-3,
    ),
  )
})

t.test('a map that came with the tables makes no difference', async (t) => {
  const rows = [[1], [5], [9]]
  const affine = { mean: Float64Array.of(100), scale: Float64Array.of(1 / 255) }
  const [plain] = (await runStage(t, entry, { examples: [examples(rows, [0, 1, 2])] })).tables
  const [mapped] = (await runStage(t, entry, { examples: [examples(rows, [0, 1, 2], { affine })] })).tables
  t.strictSame(layoutOf(mapped!), layoutOf(plain!))
})

t.test('normalize/standardize says so where there is nothing to fit on', async (t) => {
  const message = 'no rows of the split "train" arrived to fit on'
  for (const given of [EMPTY, [examples([[1]], [0], { split: 'test' })], [examples([], [])]])
    t.strictSame(await errorOf(runStage(t, entry, { examples: given })), ['DATA', message])
})

t.test('normalize/standardize passes an error on', async (t) => {
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { examples: throwError(() => error) }), error)
})

t.test('normalize/standardize leaves its input where nobody listens any more', async (t) => {
  let left = false
  const endless = new Observable<never>(() => () => {
    left = true
  })
  openStage(t, entry, { examples: endless }).tables.subscribe().unsubscribe()
  t.ok(left)
})

t.test('the fitted normalisers reject a split that does not reach them before any data is read', async (t) => {
  for (const use of ['normalize/standardize', 'normalize/min-max']) {
    t.equal(
      await problemsOf(t, `- use: load/digits\n- use: ${use}\n  with: { fit: trian }`),
      `pipeline.yaml:4:18  stages[1] ${use}: fit: no split named "trian" reaches this stage; it has train, validation and test`,
    )
    t.equal(
      await problemsOf(t, `- use: load/digits\n- use: ${use}\n  with: { fit: "" }`),
      `pipeline.yaml:4:18  stages[1] ${use}: fit: expected a non-empty string, got ""`,
    )
  }
})
