import t from 'tap'
import type { Rows } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { type Random, randomStream } from '../../dist/pipeline/base/random.js'
import { agreement } from './agreement.js'
import { type Layer, network, sgd } from './problems.js'

const kernels = referenceKernels()

await agreement(t, 'reference', () => referenceKernels())

function close(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): boolean {
  return (
    actual.length === expected.length && Array.from(actual).every((x, i) => Math.abs(x - expected[i]!) <= tolerance)
  )
}

function randomRows(random: Random, count: number, features: number, classes: number): Rows {
  return {
    values: Float32Array.from({ length: count * features }, () => random.normal()),
    labels: Int32Array.from({ length: count }, () => random.below(classes)),
  }
}

function randomParameters(random: Random, features: number, classes: number): Layer<Float64Array> {
  return {
    W: Float64Array.from({ length: classes * features }, () => random.normal()),
    b: Float64Array.from({ length: classes }, () => random.normal()),
  }
}

/** A classifier with these parameters. */
function loaded(features: number, parameters: Layer) {
  const classifier = network(kernels, features, parameters.b.length)
  classifier.load(parameters)
  return classifier
}

t.test('logits are W z + b', (t) => {
  const classifier = loaded(2, { W: Float64Array.of(1, 2, 3, 4, 5, 6), b: Float64Array.of(10, 20, 30) })
  const out = new Float64Array(6)
  classifier.scores({ values: Float32Array.of(1, 1, 2, -1), labels: Int32Array.of(0, 0) }, out)
  t.strictSame([...out], [13, 27, 41, 10, 22, 34])
  t.end()
})

t.test('uint8 values are mapped by z = (x - mean) * scale, in all that is computed', (t) => {
  const random = randomStream(1, 'kernels', 'affine')
  const parameters = randomParameters(random, 3, 4)
  const labels = Int32Array.of(0, 3, 2)
  const bytes = Uint8Array.from({ length: 9 }, () => random.below(256))
  const affine = { mean: Float64Array.of(100, 3.5, 7), scale: Float64Array.of(1 / 64, 0, 0.25) }
  const mapped = Float32Array.from(bytes, (x, i) => (x - affine.mean[i % 3]!) * affine.scale[i % 3]!)
  const [a, b] = [loaded(3, parameters), loaded(3, parameters)]
  const [rows, same] = [
    { values: bytes, labels, affine },
    { values: mapped, labels },
  ]
  t.ok(close([a.evaluate(rows).loss], [b.evaluate(same).loss], 1e-6))
  t.ok(close([a.step(rows, sgd(0.1, 0.01))], [b.step(same, sgd(0.1, 0.01))], 1e-6))
  t.ok(close(a.read().W, b.read().W, 1e-6))
  t.end()
})

t.test('the loss of equal logits is log(classes), and its gradient p - onehot(y)', (t) => {
  const classifier = loaded(1, { W: new Float64Array(4), b: new Float64Array(4) })
  classifier.accumulate({ values: Float32Array.of(2), labels: Int32Array.of(1) })
  const { arrays, loss } = classifier.gradient(0)
  t.ok(close([loss], [Math.log(4)], 1e-15))
  t.ok(close(arrays.b, [0.25, -0.75, 0.25, 0.25], 1e-15))
  t.ok(close(arrays.W, [0.5, -1.5, 0.5, 0.5], 1e-15))
  t.end()
})

t.test('the gradient agrees with centred differences of the cost', (t) => {
  const cases = [
    [1, 1, 2, 0],
    [5, 3, 4, 0],
    [7, 6, 3, 0.1],
    [20, 4, 10, 1],
  ] as const
  for (const [count, features, classes, lambda] of cases) {
    const random = randomStream(2, 'kernels', `gradient ${count}`)
    const rows = randomRows(random, count, features, classes)
    const at = randomParameters(random, features, classes)
    const cost = (): number => {
      const { loss } = loaded(features, at).evaluate(rows)
      return loss / count + lambda * at.W.reduce((sum, w) => sum + w * w, 0)
    }
    const classifier = loaded(features, at)
    classifier.accumulate(rows)
    const gradient = classifier.gradient(lambda).arrays
    for (const array of ['W', 'b'] as const) {
      const h = 1e-5
      const numeric = at[array].map((value, i) => {
        at[array][i] = value + h
        const above = cost()
        at[array][i] = value - h
        const below = cost()
        at[array][i] = value
        return (above - below) / (2 * h)
      })
      t.ok(close(gradient[array], numeric, 1e-6), `d${array}, ${count} rows, lambda ${lambda}`)
    }
  }
  t.end()
})

t.test(
  'step takes eta times the gradient, with W decayed by 2 lambda and b not, and returns the loss before it',
  (t) => {
    const random = randomStream(3, 'kernels', 'step')
    const rows = randomRows(random, 6, 3, 4)
    const before = randomParameters(random, 3, 4)
    const [eta, lambda] = [0.3, 0.2]
    const probe = loaded(3, before)
    probe.accumulate(rows)
    const { arrays: gradient, loss } = probe.gradient(0)
    const classifier = loaded(3, before)
    t.equal(classifier.step(rows, sgd(eta, lambda)), loss)
    t.ok(close([loss], [loaded(3, before).evaluate(rows).loss / 6], 1e-15))
    t.ok(
      close(
        classifier.read().W,
        before.W.map((w, i) => w - eta * (gradient.W[i]! + 2 * lambda * w)),
        1e-15,
      ),
    )
    t.ok(
      close(
        classifier.read().b,
        before.b.map((b, k) => b - eta * gradient.b[k]!),
        1e-15,
      ),
    )
    t.end()
  },
)

t.test('accumulating slices before the step is one step over all rows, and clears the sums', (t) => {
  const random = randomStream(4, 'kernels', 'slices')
  const rows = randomRows(random, 10, 3, 4)
  const part = (from: number, to: number): Rows => ({
    values: rows.values.subarray(3 * from, 3 * to),
    labels: rows.labels.subarray(from, to),
  })
  const parameters = randomParameters(random, 3, 4)
  const [whole, sliced] = [loaded(3, parameters), loaded(3, parameters)]
  for (const _ of [1, 2]) {
    const loss = whole.step(rows, sgd(0.1, 0.01))
    sliced.accumulate(part(0, 4))
    sliced.accumulate(part(4, 4))
    sliced.accumulate(part(4, 7))
    t.equal(sliced.step(part(7, 10), sgd(0.1, 0.01)), loss)
    t.strictSame(sliced.read(), whole.read(), 'to the last bit')
  }
  t.end()
})

t.test('gradient clears the sums: the same rows give the same again, and accumulating twice their mean', (t) => {
  const random = randomStream(7, 'kernels', 'again')
  const rows = randomRows(random, 4, 3, 3)
  const classifier = loaded(3, randomParameters(random, 3, 3))
  const gradient = (times: number) => {
    for (let i = 0; i < times; i++) classifier.accumulate(rows)
    const { arrays, loss } = classifier.gradient(0.1)
    return [...arrays.W, ...arrays.b, loss]
  }
  const first = gradient(1)
  t.strictSame(gradient(1), first)
  t.ok(close(gradient(2), first, 1e-14))
  t.end()
})

t.test('shifting all logits of a row changes nothing', (t) => {
  const random = randomStream(5, 'kernels', 'shift')
  const rows = randomRows(random, 5, 3, 4)
  const parameters = randomParameters(random, 3, 4)
  const expected = loaded(3, parameters).evaluate(rows)
  for (const shift of [-700, -1, 1, 700]) {
    const actual = loaded(3, { W: parameters.W, b: parameters.b.map((b) => b + shift) }).evaluate(rows)
    t.ok(close([actual.loss], [expected.loss], 1e-10), String(shift))
    t.equal(actual.correct, expected.correct)
  }
  t.end()
})

t.test('logits of ±1000 neither overflow nor give NaN', (t) => {
  const cases: [b: number[], label: number, loss: number][] = [
    [[1000, -1000], 0, 0],
    [[1000, -1000], 1, 2000],
    [[1000, 1000], 0, Math.log(2)],
    [[-1000, -1000], 1, Math.log(2)],
    [[-1000, -1001], 0, Math.log(1 + Math.exp(-1))],
  ]
  for (const [b, label, loss] of cases) {
    const classifier = loaded(1, { W: new Float64Array(2), b: Float64Array.from(b) })
    const rows = { values: Float32Array.of(1), labels: Int32Array.of(label) }
    t.ok(close([classifier.evaluate(rows).loss], [loss], 1e-12), `${b} of class ${label}`)
    classifier.accumulate(rows)
    const gradient = classifier.gradient(0)
    t.ok([...gradient.arrays.W, ...gradient.arrays.b].every(Number.isFinite))
  }
  t.end()
})

t.test('evaluate counts the first of equal largest logits as the prediction', (t) => {
  const classifier = loaded(1, { W: new Float64Array(3), b: Float64Array.of(1, 2, 2) })
  const count = (label: number) =>
    classifier.evaluate({ values: Float32Array.of(0), labels: Int32Array.of(label) }).correct
  t.strictSame([0, 1, 2].map(count), [0, 1, 0])
  t.end()
})

t.test('the penalty is the sum of the squares of W, without b', (t) => {
  t.equal(loaded(2, { W: Float64Array.of(1, -2, 0.5, 0), b: Float64Array.of(3, 4) }).penalty(), 5.25)
  t.end()
})

t.test('evaluate changes nothing, also not a step in progress', (t) => {
  const random = randomStream(6, 'kernels', 'evaluate')
  const [first, second] = [randomRows(random, 3, 2, 3), randomRows(random, 4, 2, 3)]
  const parameters = randomParameters(random, 2, 3)
  const [plain, evaluated] = [loaded(2, parameters), loaded(2, parameters)]
  for (const classifier of [plain, evaluated]) {
    classifier.accumulate(first)
    if (classifier === evaluated) classifier.evaluate(second)
    classifier.step(second, sgd(0.1, 0))
  }
  t.strictSame(evaluated.read(), plain.read())
  t.end()
})

t.test('a label out of range is a RangeError that names it', (t) => {
  const classifier = network(kernels, 1, 3)
  for (const label of [-1, 3, 255]) {
    const rows = { values: Float32Array.of(0, 0), labels: Int32Array.of(2, label) }
    const message = `label ${label} of row 1 is not in 0 … 2`
    const calls = [
      () => classifier.accumulate(rows),
      () => classifier.evaluate(rows),
      () => classifier.step(rows, sgd(1, 0)),
    ]
    for (const call of calls) t.throws(call, new RangeError(message))
  }
  t.end()
})

t.test('no rows add nothing', (t) => {
  const none = { values: new Float32Array(0), labels: new Int32Array(0) }
  const one = { values: Float32Array.of(1, 2, 3), labels: Int32Array.of(0) }
  const classifier = network(kernels, 3, 2)
  t.strictSame(classifier.evaluate(none), { loss: 0, correct: 0 })
  classifier.scores(none, new Float64Array(0))
  classifier.accumulate(none)
  t.equal(classifier.step(one, sgd(1, 0)), network(kernels, 3, 2).step(one, sgd(1, 0)))
  t.strictSame([...classifier.read().b], [0.5, -0.5])
  t.end()
})

t.test('load copies from either precision, and parameters show what is there', (t) => {
  const W = Float32Array.of(1.5, -2)
  const classifier = loaded(1, { W, b: Float32Array.of(0, 0.25) })
  W[0] = 9
  t.strictSame([...classifier.read().W, ...classifier.read().b], [1.5, -2, 0, 0.25])
  t.end()
})

t.test('moments are exact sums, squares and ranges per feature', (t) => {
  t.strictSame(kernels.moments(Uint8Array.of(1, 255, 3, 0, 5, 255), 2), {
    sum: Float64Array.of(9, 510),
    squares: Float64Array.of(35, 2 * 255 * 255),
    min: Uint8Array.of(1, 0),
    max: Uint8Array.of(5, 255),
  })
  t.strictSame(kernels.moments(new Uint8Array(0), 2).sum, Float64Array.of(0, 0))
  t.end()
})

t.test('allocate gives zeroed shared memory', (t) => {
  const memory = kernels.allocate(100)
  t.ok(memory.buffer instanceof SharedArrayBuffer)
  t.strictSame([memory.length, memory.byteOffset % 64, memory.every((byte) => byte === 0)], [100, 0, true])
  t.equal(kernels.allocate(0).length, 0)
  t.end()
})
