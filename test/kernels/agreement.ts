import fc from 'fast-check'
import type { Test } from 'tap'
import type { Affine, Kernels, Rows } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'

/** What every kernel must do, whatever it runs on: `open` makes the kernel with so many threads. */
export type Open = (threads: number) => Promise<Kernels>

/** Largest difference from the reference, relative to the largest magnitude in the reference's array. */
const TOLERANCE = 1e-5
/** Relative difference of a sum of losses. */
const LOSS_TOLERANCE = 1e-6

type Kind = 'uint8' | 'uint8 to be standardised' | 'float32'
const kinds: Kind[] = ['uint8', 'uint8 to be standardised', 'float32']

interface Shape {
  readonly features: number
  readonly classes: number
  readonly rows: number
  readonly kind: Kind
  readonly seed: number
}

/** Multiply-adds per shape: the reference takes its time. */
const MOST_WORK = 3e5

const shapes: fc.Arbitrary<Shape> = fc
  .record({
    features: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constantFrom(255, 511, 513, 784, 3072, 5001)),
    classes: fc.oneof(fc.integer({ min: 2, max: 12 }), fc.constantFrom(100, 301)),
    rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(127, 129, 300)),
    kind: fc.constantFrom(...kinds),
    seed: fc.nat(1e6),
  })
  .map((shape) => ({ ...shape, rows: Math.min(shape.rows, Math.ceil(MOST_WORK / shape.features / shape.classes)) }))

/** Runs all checks. */
export function agreement(t: Test, name: string, open: Open): void {
  computesWhatTheReferenceComputes(t, name, open)
  standsAwkwardRows(t, name, open)
  addsSlices(t, name, open)
  countsMoments(t, name, open)
  dependsOnNothingElse(t, name, open)
  rejectsBadRows(t, name, open)
  managesMemory(t, name, open)
}

export function computesWhatTheReferenceComputes(t: Test, name: string, open: Open): void {
  t.test(`${name} agrees with the reference on random shapes`, async (t) => {
    const kernels = await open(2)
    const property = fc.property(shapes, (shape) => compare(kernels, shape))
    fc.assert(property, { seed: 400, numRuns: 100, endOnFailure: true })
    kernels.close()
    t.pass()
  })

  t.test(`${name} agrees with the reference on more rows than working memory is made for`, async (t) => {
    const kernels = await open(2)
    for (const kind of kinds) compare(kernels, { features: 5001, classes: 3, rows: 450, kind, seed: 7 })
    kernels.close()
    t.pass()
  })
}

function compare(kernels: Kernels, shape: Shape): void {
  const { features, classes, rows: count } = shape
  const oracle = referenceKernels().softmax(features, classes)
  const model = kernels.softmax(features, classes)
  const parameters = randomParameters(shape)
  const rows = randomRows(shape)
  oracle.load(parameters)
  model.load(parameters)

  const expected = new Float64Array(count * classes)
  const logits = new Float64Array(count * classes)
  oracle.logits(rows, expected)
  model.logits(rows, logits)
  near(logits, expected, 'logits')

  nearLoss(model.evaluate(rows).loss, oracle.evaluate(rows).loss, 'loss')

  oracle.accumulate(rows)
  model.accumulate(rows)
  const slope = oracle.gradient(0.1)
  const gradient = model.gradient(0.1)
  near(gradient.W, slope.W, 'dW')
  near(gradient.b, slope.b, 'db')
  nearLoss(gradient.loss, slope.loss, 'loss of the gradient')

  // Small enough that the steps converge: what diverges magnifies every rounding error.
  const eta = 0.1 / features / (shape.kind === 'uint8' ? 128 ** 2 : 1)
  for (let i = 0; i < 2; i++) nearLoss(model.step(rows, eta, 0.1), oracle.step(rows, eta, 0.1), 'loss of the step')
  near(model.parameters.W, oracle.parameters.W, 'W after two steps')
  near(model.parameters.b, oracle.parameters.b, 'b after two steps')
  model.free()
}

export function standsAwkwardRows(t: Test, name: string, open: Open): void {
  t.test(`${name} evaluates no rows to nothing, and adds nothing for them`, async (t) => {
    const kernels = await open(1)
    const model = kernels.softmax(5, 3)
    const none = { values: new Uint8Array(0), labels: new Int32Array(0) }
    t.same(model.evaluate(none), { loss: 0, correct: 0 })
    model.logits(none, new Float32Array(0))
    const rows = randomRows({ features: 5, classes: 3, rows: 9, kind: 'uint8', seed: 1 })
    model.accumulate(none)
    model.accumulate(rows)
    model.accumulate(none)
    nearLoss(model.gradient(0).loss, Math.log(3), 'loss')
    kernels.close()
  })

  t.test(`${name} takes the first of equal logits as its answer`, async (t) => {
    const kernels = await open(1)
    const model = kernels.softmax(4, 7)
    const rows = { values: new Uint8Array(12), labels: Int32Array.of(0, 1, 0) }
    t.equal(model.evaluate(rows).correct, 2)
    kernels.close()
  })

  t.test(`${name} does not overflow where logits are large, and keeps small losses exact`, async (t) => {
    const kernels = await open(1)
    for (const scale of [1, 20, 3e4, 1e30]) {
      const oracle = referenceKernels().softmax(2, 3)
      const model = kernels.softmax(2, 3)
      const parameters = { W: Float32Array.of(scale, 0, 0, scale, -scale, 0), b: new Float32Array(3) }
      const rows = { values: Float32Array.of(1, 0, 0, 1, 1, 1), labels: Int32Array.of(0, 1, 2) }
      for (const only of [0, 1, 2]) {
        const row = {
          values: rows.values.subarray(only * 2, only * 2 + 2),
          labels: rows.labels.subarray(only, only + 1),
        }
        oracle.load(parameters)
        model.load(parameters)
        nearLoss(model.evaluate(row).loss, oracle.evaluate(row).loss, `loss at ${scale}`)
        oracle.accumulate(row)
        model.accumulate(row)
        // Where logits are of 1e30, `s - logSumExp(s)` has lost what tells equal logits apart, in float64 too.
        if (scale < 1e30) near(model.gradient(0).W, oracle.gradient(0).W, `dW at ${scale}`)
        else model.gradient(0)
      }
    }
    kernels.close()
    t.pass()
  })

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.test(`${name} lets ${value} through as a loss of NaN, in its row only`, async (t) => {
      const kernels = await open(2)
      const model = kernels.softmax(700, 3)
      const shape: Shape = { features: 700, classes: 3, rows: 11, kind: 'float32', seed: 3 }
      model.load(randomParameters(shape))
      const rows = randomRows(shape)
      rows.values[4 * 700 + 350] = value
      t.ok(Number.isNaN(model.evaluate(rows).loss))
      const logits = new Float32Array(33)
      model.logits(rows, logits)
      t.same(
        [...logits.keys()].filter((i) => !Number.isFinite(logits[i])),
        [12, 13, 14],
      )
      t.ok(Number.isNaN(model.step(rows, 0.1, 0)))
      kernels.close()
    })
  }
}

export function addsSlices(t: Test, name: string, open: Open): void {
  for (const kind of kinds) {
    t.test(`${name} descends by exactly the gradient it reports (${kind})`, async (t) => {
      const kernels = await open(2)
      const shape: Shape = { features: 97, classes: 11, rows: 60, kind, seed: 11 }
      const parameters = randomParameters(shape)
      const rows = randomRows(shape)
      const model = kernels.softmax(97, 11)
      model.load(parameters)
      model.accumulate(rows)
      const gradient = model.gradient(0.25)
      const loss = model.step(rows, 0.5, 0.25)
      t.equal(loss, gradient.loss)
      const expected = parameters.W.map((w, i) => w - 0.5 * gradient.W[i]!)
      near(model.parameters.W, expected, 'W')
      kernels.close()
    })

    t.test(`${name} makes one step of a batch given in slices (${kind})`, async (t) => {
      const kernels = await open(2)
      const shape: Shape = { features: 130, classes: 5, rows: 70, kind, seed: 12 }
      const rows = randomRows(shape)
      const whole = kernels.softmax(130, 5)
      const sliced = kernels.softmax(130, 5)
      whole.load(randomParameters(shape))
      sliced.load(randomParameters(shape))
      for (let i = 0; i < 2; i++) {
        const loss = whole.step(rows, 0.01, 0.1)
        sliced.accumulate(slice(rows, 130, 0, 33))
        sliced.accumulate(slice(rows, 130, 33, 34))
        // The last slice may be empty.
        sliced.accumulate(slice(rows, 130, 34, i === 0 ? 70 : 50))
        nearLoss(sliced.step(slice(rows, 130, i === 0 ? 70 : 50, 70), 0.01, 0.1), loss, 'loss')
      }
      near(sliced.parameters.W, whole.parameters.W, 'W')
      near(sliced.parameters.b, whole.parameters.b, 'b')
      kernels.close()
      t.pass()
    })
  }
}

export function countsMoments(t: Test, name: string, open: Open): void {
  t.test(`${name} counts moments exactly`, async (t) => {
    const kernels = await open(2)
    for (const [features, rows] of [
      [1, 1],
      [3, 0],
      [16, 1000],
      [77, 501],
      [3072, 300],
      [2, 70000],
    ] as const) {
      const values = new Uint8Array(features * rows).map(bytes(features))
      t.same(kernels.moments(values, features), referenceKernels().moments(values, features), `${rows} × ${features}`)
    }
    const whites = new Uint8Array(70000 * 16).fill(255)
    t.same(kernels.moments(whites, 16), referenceKernels().moments(whites, 16), 'largest squares')
    kernels.close()
  })
}

export function dependsOnNothingElse(t: Test, name: string, open: Open): void {
  const cases: Shape[] = [
    { features: 3072, classes: 10, rows: 100, kind: 'uint8 to be standardised', seed: 21 },
    { features: 1001, classes: 37, rows: 333, kind: 'float32', seed: 22 },
    { features: 3072, classes: 3, rows: 1500, kind: 'uint8', seed: 23 },
  ]

  t.test(`${name} computes the same bits with 1, 2, 3 and 8 threads`, async (t) => {
    const all: string[] = []
    const rows = cases.map(randomRows)
    for (const threads of [1, 2, 3, 8]) {
      const kernels = await open(threads)
      // Several rounds, so that threads that start late take part.
      for (let round = 0; round < 3; round++) {
        all.push(fingerprint(kernels, cases, rows))
        await new Promise((resolve) => setTimeout(resolve, threads === 1 ? 0 : 40))
      }
      kernels.close()
    }
    t.same(new Set(all).size, 1)
  })

  t.test(`${name} computes the same bits from its own memory, from older memory and from foreign memory`, async (t) => {
    const kernels = await open(2)
    const own = cases.map((shape) => moved(randomRows(shape), kernels))
    kernels.allocate(64 * 1024 * 1024)
    const younger = cases.map((shape) => moved(randomRows(shape), kernels))
    const foreign = fingerprint(kernels, cases, cases.map(randomRows))
    t.equal(fingerprint(kernels, cases, own), foreign)
    t.equal(fingerprint(kernels, cases, younger), foreign)
    kernels.close()
  })

  t.test(`${name} loads float64 parameters as it loads float32 ones`, async (t) => {
    const kernels = await open(1)
    const { W, b } = randomParameters(cases[0]!)
    const model = kernels.softmax(3072, 10)
    model.load({ W: Float64Array.from(W), b: Float64Array.from(b) })
    t.same(Float32Array.from(model.parameters.W), W)
    t.same(Float32Array.from(model.parameters.b), b)
    kernels.close()
  })
}

function fingerprint(kernels: Kernels, cases: Shape[], rowsOf: Rows[]): string {
  const bits: string[] = []
  for (const [i, shape] of cases.entries()) {
    const rows = rowsOf[i]!
    const model = kernels.softmax(shape.features, shape.classes)
    model.load(randomParameters(shape))
    bits.push(String(model.step(rows, 0.001, 0.1)), String(model.step(rows, 0.001, 0.1)))
    model.accumulate(rows)
    const { W, b, loss } = model.gradient(0.1)
    const { loss: sum, correct } = model.evaluate(rows)
    const logits = new Float64Array(shape.rows * shape.classes)
    model.logits(rows, logits)
    const { parameters } = model
    for (const array of [parameters.W, parameters.b, W, b, logits]) bits.push(hash(array))
    bits.push(String(loss), String(sum), String(correct))
    model.free()
  }
  return bits.join()
}

export function rejectsBadRows(t: Test, name: string, open: Open): void {
  t.test(`${name} rejects labels that are no class, and leaves the parameters as they were`, async (t) => {
    const kernels = await open(2)
    const shape: Shape = { features: 40, classes: 4, rows: 10, kind: 'uint8', seed: 31 }
    const model = kernels.softmax(40, 4)
    model.load(randomParameters(shape))
    const before = hash(model.parameters.W) + hash(model.parameters.b)
    for (const label of [-1, 4, 2 ** 31 - 1, -(2 ** 31)]) {
      const rows = randomRows(shape)
      rows.labels[7] = label
      const expected = new RangeError(`label ${label} of row 7 is not in 0 … 3`)
      t.throws(() => model.step(rows, 0.1, 0), expected)
      t.throws(() => model.accumulate(rows), expected)
      t.throws(() => model.evaluate(rows), expected)
    }
    t.equal(hash(model.parameters.W) + hash(model.parameters.b), before)
    const good = randomRows(shape)
    const fresh = kernels.softmax(40, 4)
    fresh.load(randomParameters(shape))
    t.equal(model.step(good, 0.1, 0), fresh.step(good, 0.1, 0), 'nothing of the rejected rows was kept')
    kernels.close()
  })
}

export function managesMemory(t: Test, name: string, open: Open): void {
  t.test(`${name} allocates zeroed shared memory on cache lines`, async (t) => {
    const kernels = await open(1)
    for (const bytes of [0, 1, 64, 100, 5_000_000]) {
      const memory = kernels.allocate(bytes)
      t.equal(memory.length, bytes)
      t.equal(memory.byteOffset % 64, 0)
      t.ok(memory.buffer instanceof SharedArrayBuffer)
      t.notOk(memory.some(Boolean))
      memory.fill(255)
    }
    kernels.close()
    const next = await open(1)
    t.notOk(next.allocate(5_000_000).some(Boolean), 'zeroed again for the next user')
    next.close()
  })

  t.test(`${name} keeps allocated memory and classifiers apart`, async (t) => {
    const kernels = await open(2)
    const shape: Shape = { features: 50, classes: 6, rows: 20, kind: 'uint8 to be standardised', seed: 41 }
    const rows = moved(randomRows(shape), kernels)
    const bits = hash(rows.values)
    const a = kernels.softmax(50, 6)
    a.load(randomParameters(shape))
    const alone = a.step(rows, 0.01, 0)
    for (let i = 0; i < 20; i++) {
      const b = kernels.softmax(50 + i, 3)
      t.notOk(b.parameters.W.some(Boolean), 'new parameters are zero')
      b.load({ W: new Float32Array(3 * (50 + i)).fill(9), b: new Float32Array(3).fill(9) })
      b.evaluate({ values: new Float32Array((50 + i) * 7).fill(1), labels: new Int32Array(7) })
      b.free()
    }
    a.load(randomParameters(shape))
    t.equal(a.step(rows, 0.01, 0), alone)
    t.equal(hash(rows.values), bits)
    kernels.close()
  })

  t.test(`${name} may be closed twice`, async () => {
    const kernels = await open(2)
    kernels.close()
    kernels.close()
  })
}

function near(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  let difference = 0
  let largest = 0
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!))
    largest = Math.max(largest, Math.abs(expected[i]!))
  }
  if (!(difference <= TOLERANCE * largest)) throw new Error(`${what} differs by ${difference}, of ${largest}`)
}

function nearLoss(actual: number, expected: number, what: string): void {
  if (!(Math.abs(actual - expected) <= LOSS_TOLERANCE * expected))
    throw new Error(`${what}: ${actual}, not ${expected}`)
}

/** Parameters that give logits of about 1. */
function randomParameters({ features, classes, kind, seed }: Shape) {
  const normal = gaussian(seed)
  const typical = Math.sqrt(features) * (kind === 'uint8' ? 128 : 1)
  return {
    W: new Float32Array(classes * features).map(() => normal() / typical),
    b: new Float32Array(classes).map(normal),
  }
}

function randomRows({ features, classes, rows, kind, seed }: Shape): Rows {
  const byte = bytes(seed + 1)
  const normal = gaussian(seed + 2)
  const labels = new Int32Array(rows).map(() => byte() % classes)
  if (kind === 'float32') return { values: new Float32Array(rows * features).map(normal), labels }
  const values = new Uint8Array(rows * features).map(byte)
  if (kind === 'uint8') return { values, labels }
  const affine: Affine = {
    mean: new Float64Array(features).map(() => 60 + byte() / 2),
    scale: new Float64Array(features).map(() => 1 / (20 + byte() / 4)),
  }
  return { values, labels, affine }
}

function slice(rows: Rows, features: number, from: number, to: number): Rows {
  return {
    ...rows,
    values: rows.values.subarray(from * features, to * features),
    labels: rows.labels.subarray(from, to),
  }
}

/** The same rows in memory of the kernel's own, at an odd place. */
function moved(rows: Rows, kernels: Kernels): Rows {
  const bytes = kernels.allocate(rows.values.byteLength + 4)
  const Values = rows.values.constructor as Uint8ArrayConstructor
  const values = new Values(bytes.buffer, bytes.byteOffset + 4, rows.values.length)
  values.set(rows.values)
  return { ...rows, values }
}

function hash(array: ArrayBufferView): string {
  let sum = 2166136261
  for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    sum = Math.imul(sum ^ byte, 16777619)
  return sum.toString(16)
}

/** Uniform in [0, 2^32): mulberry32. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
}

function bytes(seed: number): () => number {
  const next = random(seed)
  return () => next() >>> 24
}

function gaussian(seed: number): () => number {
  const next = random(seed)
  return () => Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * next()) / 2 ** 32)
}
