import fc from 'fast-check'
import type { Test } from 'tap'
import type { Affine, Kernels, Parameters, Rows, Softmax } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'

type Open = (threads: number) => Promise<Kernels>

/** Agreement is relative to the largest magnitude of an array. */
const tolerance = 1e-5

interface Shape {
  features: number
  classes: number
  rows: number
  kind: 'bytes' | 'standardised bytes' | 'floats'
  seed: number
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  features: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 71, max: 1100 })),
  classes: fc.oneof(fc.integer({ min: 2, max: 12 }), fc.integer({ min: 13, max: 40 })),
  rows: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 41, max: 300 })),
  kind: fc.constantFrom('bytes' as const, 'standardised bytes' as const, 'floats' as const),
  seed: fc.integer({ min: 1 }),
})

/** Shapes at the edges of what a kernel may cut its work into, and beyond. */
const edges: Shape[] = [
  { features: 1, classes: 2, rows: 1, kind: 'bytes', seed: 1 },
  { features: 3072, classes: 10, rows: 100, kind: 'standardised bytes', seed: 2 },
  { features: 5003, classes: 3, rows: 65, kind: 'standardised bytes', seed: 3 },
  { features: 512, classes: 10, rows: 257, kind: 'floats', seed: 4 },
  { features: 513, classes: 11, rows: 33, kind: 'standardised bytes', seed: 5 },
  { features: 37, classes: 301, rows: 31, kind: 'floats', seed: 6 },
  { features: 130, classes: 300, rows: 70, kind: 'standardised bytes', seed: 7 },
  { features: 64, classes: 10, rows: 1000, kind: 'bytes', seed: 8 },
]

/** Checks that kernels compute what the reference computes. */
export async function agreesWithReference(t: Test, name: string, open: Open): Promise<void> {
  const reference = referenceKernels()

  const compare = (kernels: Kernels, shape: Shape): void => {
    const { rows, parameters } = problem(kernels, shape)
    const [mine, truth] = [kernels, reference].map((k) => k.softmax(shape.features, shape.classes)) as [
      Softmax,
      Softmax,
    ]
    mine.load(parameters)
    truth.load(parameters)
    const out = new Float32Array(shape.rows * shape.classes)
    const logits = new Float64Array(out.length)
    mine.logits(rows, out)
    truth.logits(rows, logits)
    near(out, logits, 'logits')

    const [seen, evaluation] = [mine.evaluate(rows), truth.evaluate(rows)]
    close(seen.loss, evaluation.loss, 'loss', Math.max(evaluation.loss, 1e-2 * shape.rows))
    // Rows whose two largest logits are nearer to each other than the tolerance may go either way.
    if (Math.abs(seen.correct - evaluation.correct) > ties(logits, shape.classes))
      throw new Error(`${seen.correct} correct, expected ${evaluation.correct}`)

    if (shape.rows > 0) {
      mine.accumulate(rows)
      truth.accumulate(rows)
      mine.accumulate(first(rows, 1, shape.features))
      truth.accumulate(first(rows, 1, shape.features))
      const [slope, steepest] = [mine.gradient(0.01), truth.gradient(0.01)]
      near(slope.W, steepest.W, 'dW')
      near(slope.b, steepest.b, 'db')
      close(slope.loss, steepest.loss, 'mean loss', Math.max(steepest.loss, 1e-2))

      // A step that changes W by as much as W is, so that its gradient shows.
      const eta = largest(parameters.W) / largest(steepest.W)
      for (let i = 0; i < 2; i++) {
        truth.load({ W: truth.parameters.W.map(Math.fround), b: truth.parameters.b.map(Math.fround) })
        mine.load(truth.parameters)
        const [loss, expected] = [mine.step(rows, eta, 0.01), truth.step(rows, eta, 0.01)]
        close(loss, expected, 'loss of a step', Math.max(expected, 1))
        near(mine.parameters.W, truth.parameters.W, 'W')
        near(mine.parameters.b, truth.parameters.b, 'b', 1)
      }
    }
    mine.free()
    truth.free()
  }

  await t.test(`${name} agrees with the reference on every shape`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    for (const shape of edges) {
      t.doesNotThrow(() => compare(kernels, shape), JSON.stringify(shape))
    }
    fc.assert(
      fc.property(shapes, (shape) => compare(kernels, shape)),
      { seed: 400, numRuns: 60 },
    )
  })

  await t.test(`${name} follows the reference through training`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const shape: Shape = { features: 300, classes: 7, rows: 90, kind: 'standardised bytes', seed: 9 }
    const { rows, parameters } = problem(kernels, shape)
    const [mine, truth] = [kernels, reference].map((k) => k.softmax(shape.features, shape.classes)) as [
      Softmax,
      Softmax,
    ]
    mine.load(parameters)
    truth.load(parameters)
    for (let i = 0; i < 30; i++) {
      const [seen, expected] = [mine.step(rows, 0.02, 0.1), truth.step(rows, 0.02, 0.1)]
      t.ok(Math.abs(seen - expected) <= 1e-4 * expected, `step ${i}: loss ${seen}, expected ${expected}`)
    }
    near(mine.parameters.W, truth.parameters.W, 'W', undefined, 1e-4)
  })

  await t.test(`${name} gives the same bits on every number of threads`, async (t) => {
    const results: string[] = []
    for (const threads of [1, 2, 3, 8]) {
      const kernels = await open(threads)
      results.push(...[edges[1]!, edges[3]!, edges[6]!].map((shape) => bits(kernels, shape)))
      kernels.close()
    }
    for (let i = 3; i < results.length; i++) t.equal(results[i], results[i % 3])
  })

  await t.test(`${name} steps as accumulate and gradient say`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const shape: Shape = { features: 600, classes: 10, rows: 120, kind: 'standardised bytes', seed: 10 }
    const { rows, parameters } = problem(kernels, shape)
    const whole = kernels.softmax(shape.features, shape.classes)
    const parts = kernels.softmax(shape.features, shape.classes)
    const slope = kernels.softmax(shape.features, shape.classes)
    for (const softmax of [whole, parts, slope]) softmax.load(parameters)
    const eta = 0.1
    const lambda = 0.5
    const loss = whole.step(rows, eta, lambda)
    parts.accumulate(part(rows, 0, 50, shape.features))
    const before = Float32Array.from(parts.parameters.W)
    t.same(parts.parameters.W, parameters.W.map(Math.fround), 'accumulate leaves the parameters alone')
    close(parts.step(part(rows, 50, 120, shape.features), eta, lambda), loss, 'loss', 1)
    near(parts.parameters.W, whole.parameters.W, 'W in parts')
    near(parts.parameters.b, whole.parameters.b, 'b in parts')
    slope.accumulate(rows)
    const gradient = slope.gradient(lambda)
    close(gradient.loss, loss, 'loss of the gradient', 1)
    near(
      before.map((w, i) => w - eta * gradient.W[i]!),
      whole.parameters.W,
      'W less the gradient',
    )
    slope.accumulate(rows)
    t.same(slope.gradient(lambda), gradient, 'gradient clears the sums')
  })

  await t.test(`${name} refuses labels that are not classes, and changes nothing`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const shape: Shape = { features: 50, classes: 4, rows: 40, kind: 'bytes', seed: 11 }
    const { rows, parameters } = problem(kernels, shape)
    for (const label of [-1, 4, 2 ** 31 - 1, -(2 ** 31)]) {
      const wrong = { ...rows, labels: rows.labels.map((y, i) => (i === 37 ? label : y)) }
      const [mine, truth] = [kernels, reference].map((k) => k.softmax(shape.features, shape.classes)) as [
        Softmax,
        Softmax,
      ]
      mine.load(parameters)
      const error = new RangeError(`label ${label} of row 37 is not in 0 … 3`)
      t.throws(() => truth.step(wrong, 1, 0), error)
      t.throws(() => mine.step(wrong, 1, 0), error)
      t.throws(() => mine.accumulate(wrong), error)
      t.throws(() => mine.evaluate(wrong), error)
      t.same(mine.parameters.W, parameters.W.map(Math.fround))
      mine.accumulate(rows)
      const slope = mine.gradient(0)
      mine.accumulate(rows)
      t.throws(() => mine.accumulate(wrong), error)
      t.same(mine.gradient(0), slope, 'the sums in progress are as they were')
      mine.free()
    }
  })

  await t.test(`${name} lets NaN and infinity show in the loss`, async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    const shape: Shape = { features: 40, classes: 3, rows: 5, kind: 'floats', seed: 12 }
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const { rows, parameters } = problem(kernels, shape)
      rows.values[90] = bad
      const mine = kernels.softmax(shape.features, shape.classes)
      mine.load(parameters)
      t.ok(Number.isNaN(mine.evaluate(rows).loss), `${bad}`)
      t.ok(Number.isNaN(mine.step(rows, 0.1, 0)), `${bad}`)
    }
  })

  await t.test(`${name} counts the first of equal logits`, async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    const mine = kernels.softmax(5, 21)
    const rows = { values: new Uint8Array(21 * 5).fill(7), labels: Int32Array.from({ length: 21 }, (_, i) => i) }
    const { loss, correct } = mine.evaluate(rows)
    t.equal(correct, 1)
    t.ok(Math.abs(loss - 21 * Math.log(21)) < 1e-5)
  })

  await t.test(`${name} keeps small losses precise`, async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    const mine = kernels.softmax(1, 2)
    mine.load({ W: new Float32Array(2), b: new Float32Array([16, 0]) })
    const { loss } = mine.evaluate({ values: new Uint8Array(1), labels: new Int32Array(1) })
    t.ok(Math.abs(loss / Math.log1p(Math.exp(-16)) - 1) < 1e-6, `${loss}`)
  })

  await t.test(`${name} loads parameters of either precision`, async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    const W = Float64Array.from({ length: 12 }, (_, i) => Math.sin(i))
    const b = Float64Array.of(1, 2, 3)
    const mine = kernels.softmax(4, 3)
    mine.load({ W, b })
    const [fromW, fromB] = [Float32Array.from(mine.parameters.W), Float32Array.from(mine.parameters.b)]
    t.same(fromW, Float32Array.from(W))
    mine.load({ W: fromW, b: fromB })
    t.same(mine.parameters.W, fromW)
    t.same(mine.parameters.b, fromB)
  })

  await t.test(`${name} goes on from loaded parameters as if it had not stopped`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const shape: Shape = { features: 700, classes: 10, rows: 60, kind: 'standardised bytes', seed: 13 }
    const { rows, parameters } = problem(kernels, shape)
    const one = kernels.softmax(shape.features, shape.classes)
    one.load(parameters)
    for (let i = 0; i < 3; i++) one.step(rows, 0.05, 0.1)
    const other = kernels.softmax(shape.features, shape.classes)
    other.load(one.parameters)
    t.equal(one.step(rows, 0.05, 0.1), other.step(rows, 0.05, 0.1))
    t.same(one.parameters.W, other.parameters.W)
  })

  await t.test(`${name} computes moments exactly`, async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const bytes = fc
      .integer({ min: 1, max: 300 })
      .chain((features) => fc.tuple(fc.constant(features), fc.integer({ min: 0, max: 50 }), fc.integer()))
    fc.assert(
      fc.property(bytes, ([features, rows, seed]) => {
        const random = generator(seed)
        const values = Uint8Array.from({ length: rows * features }, () => random() * 256)
        t.match(kernels.moments(values, features), reference.moments(values, features))
      }),
      { seed: 400, numRuns: 30 },
    )
    const tall = new Uint8Array(70_000).fill(255)
    t.match(kernels.moments(tall, 1), reference.moments(tall, 1))
  })

  await t.test(`${name} allocates zeroed, aligned, shared memory`, async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    for (const bytes of [0, 1, 63, 64, 4097]) {
      const memory = kernels.allocate(bytes)
      t.equal(memory.length, bytes)
      t.ok(memory.buffer instanceof SharedArrayBuffer)
      t.ok(memory.every((byte) => byte === 0))
    }
  })
}

/** Rows and parameters of a shape, drawn from its seed; the rows lie in memory of the kernels. */
export function problem(kernels: Kernels, shape: Shape): { rows: Rows; parameters: Parameters<Float64Array> } {
  const { features, classes, rows, kind, seed } = shape
  const random = generator(seed)
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  const labels = Int32Array.from({ length: rows }, () => random() * classes)
  const spread = kind === 'bytes' ? 150 : 1
  const parameters = {
    W: Float64Array.from({ length: classes * features }, () => Math.fround(normal() / Math.sqrt(features) / spread)),
    b: Float64Array.from({ length: classes }, () => Math.fround(normal())),
  }
  if (kind === 'floats') {
    const bytes = kernels.allocate(4 * rows * features)
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, rows * features)
    for (let i = 0; i < values.length; i++) values[i] = normal()
    return { rows: { values, labels }, parameters }
  }
  const values = kernels.allocate(rows * features)
  for (let i = 0; i < values.length; i++) values[i] = random() * 256
  if (kind === 'bytes') return { rows: { values, labels }, parameters }
  const affine: Affine = {
    mean: Float64Array.from({ length: features }, () => 128 + 20 * normal()),
    scale: Float64Array.from({ length: features }, () => (0.5 + random()) / 74),
  }
  return { rows: { values, labels, affine }, parameters }
}

/** Everything that a short training run leaves behind, to the bit. */
export function bits(kernels: Kernels, shape: Shape): string {
  const { rows, parameters } = problem(kernels, shape)
  const softmax = kernels.softmax(shape.features, shape.classes)
  softmax.load(parameters)
  const numbers: number[] = []
  for (let i = 0; i < 3; i++) {
    numbers.push(softmax.step(rows, 0.02, 0.1), softmax.evaluate(rows).loss)
    softmax.accumulate(rows)
    softmax.accumulate(rows)
    const slope = softmax.gradient(0.1)
    numbers.push(slope.loss, checksum(slope.W), checksum(slope.b))
  }
  const logits = new Float32Array(shape.rows * shape.classes)
  softmax.logits(rows, logits)
  numbers.push(checksum(logits), checksum(softmax.parameters.W), checksum(softmax.parameters.b))
  softmax.free()
  return numbers.join(' ')
}

function checksum(array: Float32Array | Float64Array): number {
  const words = new Uint32Array(Float64Array.from(array).buffer)
  let sum = 0
  for (const word of words) sum = (Math.imul(sum, 31) + word) | 0
  return sum
}

function part(rows: Rows, from: number, to: number, features: number): Rows {
  return {
    ...rows,
    values: rows.values.subarray(from * features, to * features),
    labels: rows.labels.subarray(from, to),
  }
}

function first(rows: Rows, count: number, features: number): Rows {
  return part(rows, 0, count, features)
}

function largest(array: Float32Array | Float64Array): number {
  let most = 0
  for (const value of array) most = Math.max(most, Math.abs(value))
  return most
}

/** The worst disagreement seen so far, by what disagreed: printed by tests that want to know. */
export const worst: Record<string, number> = {}

function near(
  seen: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
  what: string,
  scale = largest(expected),
  limit = tolerance,
): void {
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(seen[i]! - expected[i]!) / scale
    if (limit === tolerance) worst[what] = Math.max(worst[what] ?? 0, error)
    if (!(error <= limit)) throw new Error(`${what}[${i}] is ${seen[i]}, expected ${expected[i]} (scale ${scale})`)
  }
}

function close(seen: number, expected: number, what: string, scale: number): void {
  if (expected === 0 && seen === 0) return
  const error = Math.abs(seen - expected) / scale
  worst[what] = Math.max(worst[what] ?? 0, error)
  if (!(error <= 1e-6)) throw new Error(`${what} is ${seen}, expected ${expected}`)
}

function ties(logits: Float64Array, classes: number): number {
  const margin = 2 * tolerance * largest(logits)
  let count = 0
  for (let from = 0; from < logits.length; from += classes) {
    const row = logits.slice(from, from + classes).sort()
    if (row[classes - 1]! - row[classes - 2]! <= margin) count++
  }
  return count
}

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let word = Math.imul(state ^ (state >>> 15), 1 | state)
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32
  }
}
