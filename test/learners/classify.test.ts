import t from 'tap'
import type { Kernels } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { classify, softmax } from '../../dist/learners/index.js'
import { type OpenModel, type Rows, slices } from '../../dist/pipeline/stage-kit.js'
import { randomParameters, randomRows, type Shape } from '../kernels/problems.js'

const noPause = (): undefined => undefined
const float64 = referenceKernels()
const float32: Kernels = { ...float64, precision: 'float32' }

/** Rows of one value each: their position, which `scoring` reads. */
const positions = (rows: number): Rows => ({
  values: Float32Array.from({ length: rows }, (_, i) => i),
  labels: new Int32Array(rows),
})

/** A model that gives row `i` the scores `table[i]`. */
function scoring(table: readonly (readonly number[])[], rowsPerCall = 100): OpenModel {
  const no = (): never => {
    throw new Error('classify needs scores only')
  }
  const scores: OpenModel['scores'] = async ({ values, labels }, out) => {
    if (labels.length > rowsPerCall) throw new Error('too many rows')
    await null
    out.set(Array.from(values, (row) => table[row]!).flat())
  }
  const model = { read: no, load: no, change: no, accumulate: no, gradient: no, evaluate: no, penalty: no, free: no }
  return { ...model, rowsPerCall, scores }
}

/** Classifies rows with these scores. */
async function classified(scores: 'logits' | 'other', table: readonly (readonly number[])[], kernels = float64) {
  const sizes = { rows: table.length, classes: table[0]!.length }
  const { predicted, confidence } = await classify(
    scoring(table),
    kernels,
    scores,
    [positions(table.length)],
    sizes,
    noPause,
  )
  return { predicted: [...predicted], confidence: [...confidence] }
}

t.test('the class is that of the largest score, the first of equals', async (t) => {
  const table = [
    [1, 3, 2],
    [3, 1, 2],
    [1, 2, 3],
    [2, 2, 1],
    [1, 2, 2],
    [0, 0, 0],
    [-5, -1, -3],
  ]
  for (const scores of ['logits', 'other'] as const)
    t.strictSame((await classified(scores, table)).predicted, [1, 0, 2, 0, 1, 0, 1])
})

t.test('the confidence of logits is the softmax probability of the class', async (t) => {
  const table = [
    [0, 0, 0, 0],
    [Math.log(2), 0, Math.log(5), Math.log(2)],
    [1, 2, 3, 4],
    [-7, 0.5, 0.25, -1],
  ]
  const { predicted, confidence } = await classified('logits', table)
  for (const [i, row] of table.entries()) {
    const sum = row.reduce((sum, s) => sum + Math.exp(s), 0)
    t.ok(Math.abs(confidence[i]! - Math.exp(row[predicted[i]!]!) / sum) <= 1e-15)
  }
  t.equal(confidence[0], 0.25)
  t.ok(Math.abs(confidence[1]! - 0.5) <= 1e-15)
})

t.test('large logits do not overflow', async (t) => {
  const table = [
    [1000, -1000],
    [1000, 1000],
    [-1000, -1000],
    [1e300, -1e300],
  ]
  t.strictSame(await classified('logits', table), { predicted: [0, 0, 0, 0], confidence: [1, 0.5, 0.5, 1] })
})

t.test('logits that are not numbers have the confidence 0, in their row only', async (t) => {
  const table = [
    [1, Number.NaN, 3],
    [Number.NaN, 1, 2],
    [Number.NaN, Number.NaN, Number.NaN],
    [0, 0, -1000],
    [Number.POSITIVE_INFINITY, 1, 2],
    [1, Number.NEGATIVE_INFINITY, 1],
  ]
  t.strictSame(await classified('logits', table), { predicted: [2, 0, 0, 0, 0, 0], confidence: [0, 0, 0, 0.5, 0, 0.5] })
})

t.test('the confidence of other scores is the score', async (t) => {
  const table = [
    [-2, 0.5, 7],
    [-2, -0.5, -7],
    [4, 4, 0],
    [1, Number.NaN, 0.5],
  ]
  t.strictSame(await classified('other', table), { predicted: [2, 1, 0, 0], confidence: [7, -0.5, 4, 1] })
  t.strictSame((await classified('other', [[Number.NaN, 1]])).confidence, [Number.NaN])
})

t.test('scores have the precision of the kernels', async (t) => {
  t.strictSame((await classified('other', [[0.1, 0]], float32)).confidence, [Math.fround(0.1)])
  t.strictSame((await classified('other', [[0.1, 0]], float64)).confidence, [0.1])
  const close = [[1, 1 + 1e-12]]
  t.strictSame((await classified('other', close, float32)).predicted, [0])
  t.strictSame((await classified('other', close, float64)).predicted, [1])
})

t.test('pieces are classified in order, with a pause after each', async (t) => {
  const table = Array.from({ length: 10 }, (_, i) => [i % 3 === 0 ? 1 : 0, i % 3 === 1 ? 2 : 0, i % 3 === 2 ? 3 : 0])
  for (const size of [1, 4, 5, 10, 100]) {
    let pauses = 0
    const pause = async () => {
      pauses++
    }
    const sizes = { rows: 10, classes: 3 }
    const pieces = slices(positions(10), size)
    const { predicted, confidence } = await classify(scoring(table, size), float64, 'other', pieces, sizes, pause)
    t.strictSame([...predicted], [0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    t.strictSame([...confidence], [1, 2, 3, 1, 2, 3, 1, 2, 3, 1])
    t.equal(pauses, Math.ceil(10 / size))
  }
})

t.test('no rows have no classes', async (t) => {
  const { predicted, confidence } = await classify(scoring([]), float64, 'logits', [], { rows: 0, classes: 3 }, noPause)
  t.strictSame([predicted.length, confidence.length], [0, 0])
})

t.test('a softmax model classifies as many rows rightly as its evaluation counts', async (t) => {
  const shape: Shape = { features: 9, classes: 4, rows: 50, kind: 'uint8 with affine', seed: 12 }
  const rows = randomRows(shape)
  const model = softmax.open(float64, { features: 9, classes: 4 }, {})
  model.load(randomParameters(shape))
  const { predicted, confidence } = await classify(
    model,
    float64,
    softmax.scores,
    slices(rows, 7),
    { rows: 50, classes: 4 },
    noPause,
  )
  const correct = predicted.filter((k, i) => k === rows.labels[i]).length
  t.equal(correct, ((await model.evaluate(rows)) as readonly number[])[1])
  t.ok(confidence.every((p) => p >= 0.25 && p <= 1))
})
