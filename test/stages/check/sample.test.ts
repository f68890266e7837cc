import t from 'tap'
import { errorOf, problemsOf, runStage } from '../harness.js'
import { countedExamples, examples, featuresIn, labelsIn, positionsOf } from '../tables.js'

const entry = (options = '') => `- use: check/sample\n  with: { ${options} }`

t.test('check/sample hands out the same drawn examples, in the order of the rows, at every step', async (t) => {
  const { tables } = await runStage(t, entry('examples: 4, steps: 3'), { examples: [countedExamples(25)] })
  t.strictSame(positionsOf(tables), [
    [1, 1],
    [1, 2],
    [1, 3],
  ])
  const drawn = featuresIn(tables[0]!).map(([x]) => x! / 10)
  t.equal(new Set(drawn).size, 4)
  t.strictSame(
    drawn,
    drawn.toSorted((a, b) => a - b),
  )
  for (const table of tables) t.strictSame(featuresIn(table), featuresIn(tables[0]!))
})

t.test('labels stay with their rows', async (t) => {
  const given = countedExamples(20)
  const { tables } = await runStage(t, entry('examples: 7'), { examples: [given] })
  for (const [n, [x]] of featuresIn(tables[0]!).entries()) t.equal(labelsIn(tables[0]!)[n], (x! / 10) % 3)
})

t.test('which examples are drawn depends on the seed alone', async (t) => {
  const drawn = async (seed: number) => {
    const { tables } = await runStage(t, entry('examples: 5'), { examples: [countedExamples(25)] }, { seed })
    return featuresIn(tables[0]!)
  }
  t.strictSame(await drawn(1), await drawn(1))
  t.notSame(await drawn(1), await drawn(2))
})

t.test('a split with fewer rows is taken whole, across tables; other splits are not looked at', async (t) => {
  const given = [countedExamples(2), countedExamples(3), countedExamples(9, { split: 'test' })]
  const { tables } = await runStage(t, entry(), { examples: given })
  t.strictSame(labelsIn(tables[0]!), [0, 1, 0, 1, 2])
})

t.test('float32 examples and affine maps pass through', async (t) => {
  const affine = { mean: Float64Array.of(1, 2), scale: Float64Array.of(0.5, 0.25) }
  const floats = examples([[1.5, 2.25]], [0], {}, Float32Array)
  t.strictSame(featuresIn((await runStage(t, entry(), { examples: [floats] })).tables[0]!), [[1.5, 2.25]])
  const bytes = examples([[3, 6]], [0], { affine })
  t.strictSame(featuresIn((await runStage(t, entry(), { examples: [bytes] })).tables[0]!), [[1, 1]])
})

t.test('no rows are an error, and so is a split that does not come', async (t) => {
  for (const given of [[], [countedExamples(0)], [countedExamples(3, { split: 'test' })]])
    t.strictSame(await errorOf(runStage(t, entry(), { examples: given })), ['DATA', 'the split "train" has no rows'])
  t.equal(
    await problemsOf(t, `- use: load/digits\n${entry('split: tran')}`),
    'pipeline.yaml:4:20  stages[1] check/sample: split: no split named "tran" reaches this stage; it has train, validation and test',
  )
})
