import { constants } from 'node:buffer'
import fc from 'fast-check'
import type { Test } from 'tap'
import type { Kernels, LossName, Moments, Numbers, Rows } from '../../dist/kernels/contract.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { networksAgree } from './networks.js'
import {
  type HostNetwork,
  kinds,
  moved,
  network,
  part,
  randomBytes,
  randomParameters,
  randomRows,
  type Shape,
  sgd,
} from './problems.js'

/**
 * Checks that a kernel keeps the contract. `open` opens it with a number of threads. The reference kernel takes the
 * same checks, except those that compare a kernel with it or count threads.
 */
export async function agreement(t: Test, name: string, open: Open): Promise<void> {
  const groups = {
    'agrees with the reference': agreesWithTheReference,
    'accepts unusual rows': acceptsUnusualRows,
    'steps by the gradient that it returns': stepsByItsGradient,
    'agrees with the reference on networks': networksAgree,
    'computes moments exactly': computesMoments,
    'computes the same bits again': computesTheSameBits,
    'refuses wrong arguments': refusesWrongArguments,
    'manages memory': managesMemory,
  }
  for (const [what, group] of Object.entries(groups)) {
    if (name === 'reference' && [agreesWithTheReference, computesTheSameBits, networksAgree].includes(group)) continue
    await t.test(`${name} ${what}`, (t) => group(t, open))
  }
}

/** Opens a kernel with a number of threads. */
export type Open = (threads: number) => Kernels | Promise<Kernels>

/** Largest difference from the reference, relative to the largest magnitude in the reference's array. */
const TOLERANCE = 1e-5
/** Relative difference of a sum of losses. */
const LOSS_TOLERANCE = 5e-6

/** The largest relative difference in this process so far, by the name of the compared value. */
const worst: Record<string, number> = {}

/** Most multiply-adds per shape, because the reference is slow. */
const MOST_WORK = 2e5

/** Sizes over the promised range, most of them small. If all three are large, there are fewer rows. */
const shapes: fc.Arbitrary<Shape> = fc
  .record({
    features: fc.oneof(
      fc.integer({ min: 1, max: 80 }),
      fc.integer({ min: 81, max: 1100 }),
      fc.integer({ min: 1, max: 5000 }),
    ),
    classes: fc.oneof(
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 13, max: 40 }),
      fc.integer({ min: 2, max: 300 }),
    ),
    rows: fc.oneof(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 41, max: 300 }),
      fc.integer({ min: 1, max: 1000 }),
    ),
    kind: fc.constantFrom(...kinds),
    seed: fc.nat(1e6),
  })
  .map((shape) => ({ ...shape, rows: Math.min(shape.rows, Math.ceil(MOST_WORK / shape.features / shape.classes)) }))

/** Shapes at the ends of the range, and next to the sizes of the pieces that kernels cut work into. */
const edges: Omit<Shape, 'seed'>[] = [
  { features: 1, classes: 2, rows: 1, kind: 'uint8' },
  { features: 1, classes: 300, rows: 1000, kind: 'float32' },
  { features: 3072, classes: 10, rows: 100, kind: 'uint8 with affine' },
  { features: 5000, classes: 300, rows: 2, kind: 'uint8 with affine' },
  { features: 5003, classes: 3, rows: 65, kind: 'uint8 with affine' },
  { features: 512, classes: 10, rows: 257, kind: 'float32' },
  { features: 513, classes: 11, rows: 33, kind: 'uint8 with affine' },
  { features: 769, classes: 5, rows: 129, kind: 'float32' },
  { features: 37, classes: 301, rows: 31, kind: 'float32' },
  { features: 130, classes: 300, rows: 70, kind: 'uint8 with affine' },
  { features: 64, classes: 10, rows: 1000, kind: 'uint8' },
  // More rows than the working memory of the wasm kernel holds at a time.
  { features: 5001, classes: 3, rows: 450, kind: 'uint8 with affine' },
  // The classes times their tiles exceed 32 bits, whatever the size of a tile.
  { features: 2, classes: 200_003, rows: 3, kind: 'uint8 with affine' },
  { features: 17, classes: 150_000, rows: 2, kind: 'float32' },
]

async function agreesWithTheReference(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())

  await t.test('on shapes at the edges', async (t) => {
    for (const [i, shape] of edges.entries())
      t.doesNotThrow(() => compare(kernels, { ...shape, seed: i + 1 }), JSON.stringify(shape))
  })

  await t.test('on random shapes', async () => {
    const property = fc.property(shapes, (shape) => compare(kernels, shape))
    fc.assert(property, { seed: 400, numRuns: 100, endOnFailure: true })
  })

  await t.test('through training', async (t) => {
    const shape: Shape = { features: 300, classes: 7, rows: 90, kind: 'uint8 with affine', seed: 9 }
    const rows = randomRows(shape)
    const [model, oracle] = both(kernels, shape)
    for (let i = 0; i < 30; i++) {
      const [loss, expected] = [model.step(rows, sgd(0.02, 0.1)), oracle.step(rows, sgd(0.02, 0.1))]
      t.ok(Math.abs(loss - expected) <= 1e-4 * expected, `step ${i}: loss ${loss}, expected ${expected}`)
    }
    near(model.read().W, oracle.read().W, 'W after training', 1e-4)
  })

  for (const [what, error] of Object.entries(worst)) t.comment(`largest difference: ${what} ${error.toExponential(1)}`)
}

function compare(kernels: Kernels, shape: Shape): void {
  const { features, classes, rows: count } = shape
  const [model, oracle] = both(kernels, shape)
  const rows = randomRows(shape)

  const expected = new Float64Array(count * classes)
  oracle.scores(rows, expected)
  for (const logits of [new Float64Array(count * classes), new Float32Array(count * classes)]) {
    model.scores(rows, logits)
    near(logits, expected, 'logits')
  }

  const [sums, truth] = [model.evaluate(rows), oracle.evaluate(rows)]
  nearLoss(sums.loss, truth.loss, 'loss')
  // Two kernels may put a row into different classes if its two largest logits differ by less than the tolerance.
  if (Math.abs(sums.correct - truth.correct) > ties(expected, classes))
    throw new Error(`${sums.correct} correct, not ${truth.correct}`)

  // Squares of float32 are exact in float64. Only the sum is rounded.
  const [penalty, squares] = [model.penalty(), oracle.penalty()]
  if (Math.abs(penalty - squares) > 1e-12 * squares) throw new Error(`penalty ${penalty}, expected ${squares}`)

  const once = part(rows, features, 0, 1)
  for (const some of [rows, once]) for (const each of [model, oracle]) each.accumulate(some)
  const [gradient, exact] = [model.gradient(0.1), oracle.gradient(0.1)]
  near(gradient.arrays.W, exact.arrays.W, 'dW')
  near(gradient.arrays.b, exact.arrays.b, 'db')
  nearLoss(gradient.loss, exact.loss, 'loss of the gradient')

  // The steps start from equal parameters and are as large as W, so that an error of the gradient shows.
  const eta = 0.1 * (largest(oracle.read().W) / largest(exact.arrays.W))
  for (let i = 0; i < 2; i++) {
    oracle.load(model.read())
    const [loss, truth] = [model.step(rows, sgd(eta, 0.1)), oracle.step(rows, sgd(eta, 0.1))]
    // If the batch is learnt, its loss is smaller than the rounding of the logits.
    nearLoss(loss, truth, 'loss of the step', Math.max(1, truth))
    near(model.read().W, oracle.read().W, 'W after a step')
    near(model.read().b, oracle.read().b, 'b after a step')
  }
  model.free()
}

async function acceptsUnusualRows(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())

  t.test('no rows have a loss of 0, and add nothing', async (t) => {
    const none = { values: new Uint8Array(0), labels: new Int32Array(0) }
    const shape: Shape = { features: 5, classes: 3, rows: 9, kind: 'uint8', seed: 1 }
    const rows = randomRows(shape)
    const [model, same] = [loaded(kernels, shape), loaded(kernels, shape)]
    t.same(model.evaluate(none), { loss: 0, correct: 0 })
    model.scores(none, new Float32Array(0))
    for (const some of [none, rows, none]) model.accumulate(some)
    same.accumulate(rows)
    t.same(model.gradient(0), same.gradient(0))
    for (const each of [model, same]) each.accumulate(rows)
    model.step(none, sgd(0.01, 0))
    same.step(part(rows, 5, 0, 0), sgd(0.01, 0))
    t.same(model.read(), same.read(), 'a step may consist of accumulated rows alone')
    t.notSame(model.read().b, randomParameters(shape).b)
  })

  t.test('float32 values ignore an affine map', async (t) => {
    const shape: Shape = { features: 20, classes: 3, rows: 9, kind: 'float32', seed: 2 }
    const rows = randomRows(shape)
    const affine = { mean: new Float64Array(20).fill(5), scale: new Float64Array(20).fill(2) }
    const [model, same] = [loaded(kernels, shape), loaded(kernels, shape)]
    t.same(model.evaluate({ ...rows, affine }), same.evaluate(rows))
    t.equal(model.step({ ...rows, affine }, sgd(0.1, 0)), same.step(rows, sgd(0.1, 0)))
    t.same(model.read(), same.read())
  })

  t.test('there may be more values than the rows need', async (t) => {
    const shape: Shape = { features: 6, classes: 3, rows: 9, kind: 'uint8', seed: 3 }
    const rows = randomRows(shape)
    const model = loaded(kernels, shape)
    const fewer = { ...rows, labels: rows.labels.subarray(0, 4) }
    t.same(model.evaluate(fewer), model.evaluate(part(rows, 6, 0, 4)))
    t.equal(model.step(fewer, sgd(0.1, 0)), loaded(kernels, shape).step(part(rows, 6, 0, 4), sgd(0.1, 0)))
    const out = new Float64Array(13).fill(7)
    model.scores(fewer, out)
    t.equal(out[12], 7, 'numbers behind the logits do not change')
  })

  t.test('the predicted class is the first of equal logits', async (t) => {
    for (const classes of [2, 7, 21]) {
      const labels = Int32Array.from({ length: classes }, (_, k) => k)
      const { loss, correct } = network(kernels, 5, classes).evaluate({ values: new Uint8Array(5 * classes), labels })
      t.equal(correct, 1)
      nearLoss(loss, classes * Math.log(classes), 'loss of equal logits')
    }
  })

  t.test('large logits do not overflow, and small losses are exact', async () => {
    const rows = { values: Float32Array.of(1, 0, 0, 1, 1, 1), labels: Int32Array.of(0, 1, 2) }
    for (const scale of [1, 16, 20, 1000, 3e4, 1e30]) {
      const parameters = { W: Float32Array.of(scale, 0, 0, scale, -scale, 0), b: new Float32Array(3) }
      for (const only of [0, 1, 2]) {
        const [model, oracle] = [kernels, referenceKernels()].map((each) => network(each, 2, 3)) as [
          HostNetwork,
          HostNetwork,
        ]
        const row = part(rows, 2, only, only + 1)
        for (const each of [model, oracle]) {
          each.load(parameters)
          each.accumulate(row)
        }
        nearLoss(model.evaluate(row).loss, oracle.evaluate(row).loss, `loss at ${scale}`)
        // At logits of 1e30, `s - logSumExp(s)` loses the difference of equal logits, in float64 too.
        const [gradient, exact] = [model.gradient(0), oracle.gradient(0)]
        if (scale < 1e30) near(gradient.arrays.W, exact.arrays.W, 'dW of large logits')
      }
    }
  })

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    t.test(`${value} gives a loss of NaN, and logits that are not finite in its row only`, async (t) => {
      const shape: Shape = { features: 700, classes: 3, rows: 11, kind: 'float32', seed: 3 }
      const model = loaded(kernels, shape)
      const rows = randomRows(shape)
      rows.values[4 * 700 + 350] = value
      t.ok(Number.isNaN(model.evaluate(rows).loss))
      const logits = new Float32Array(33)
      model.scores(rows, logits)
      t.same(
        [...logits.keys()].filter((i) => !Number.isFinite(logits[i])),
        [12, 13, 14],
      )
      t.ok(Number.isNaN(model.step(rows, sgd(0.1, 0))))
    })
  }
}

async function stepsByItsGradient(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())

  for (const kind of kinds) {
    t.test(`a step subtracts eta times the gradient (${kind})`, async (t) => {
      const shape: Shape = { features: 97, classes: 11, rows: 60, kind, seed: 11 }
      const rows = randomRows(shape)
      const model = loaded(kernels, shape)
      const before = Float64Array.from(model.read().W)
      model.accumulate(rows)
      t.same(Float64Array.from(model.read().W), before, 'accumulate does not change the parameters')
      const gradient = model.gradient(0.25)
      model.accumulate(rows)
      t.same(model.gradient(0.25), gradient, 'gradient clears the sums')
      nearLoss(model.step(rows, sgd(0.5, 0.25)), gradient.loss, 'loss of the step')
      near(
        model.read().W,
        before.map((w, i) => w - 0.5 * gradient.arrays.W[i]!),
        'W after the step',
      )
    })

    t.test(`slices of a batch make one step (${kind})`, async () => {
      const shape: Shape = { features: 130, classes: 5, rows: 700, kind, seed: 12 }
      const rows = randomRows(shape)
      const [whole, sliced] = [loaded(kernels, shape), loaded(kernels, shape)]
      const eta = 0.01 / (kind === 'uint8' ? 128 ** 2 : 1)
      // The last slice may be empty.
      for (const last of [700, 500]) {
        const loss = whole.step(rows, sgd(eta, 0.1))
        sliced.accumulate(part(rows, 130, 0, 330))
        sliced.accumulate(part(rows, 130, 330, 331))
        sliced.accumulate(part(rows, 130, 331, last))
        nearLoss(sliced.step(part(rows, 130, last, 700), sgd(eta, 0.1)), loss, 'loss in slices')
      }
      near(sliced.read().W, whole.read().W, 'W in slices')
      near(sliced.read().b, whole.read().b, 'b in slices')
    })
  }

  t.test('each slice may have an affine map of its own', async () => {
    const shape: Shape = { features: 40, classes: 4, rows: 30, kind: 'uint8 with affine', seed: 13 }
    const [rows, others] = [randomRows(shape), randomRows({ ...shape, seed: 14 })]
    const [model, oracle] = both(kernels, shape)
    for (const each of [model, oracle]) {
      each.accumulate(rows)
      each.accumulate({ ...others, affine: undefined })
      each.step(others, sgd(0.01, 0.1))
    }
    near(model.read().W, oracle.read().W, 'W with several maps')
  })
}

function momentsOf(values: Uint8Array, features: number): Moments {
  const sum = new Float64Array(features)
  const squares = new Float64Array(features)
  const min = new Uint8Array(features).fill(255)
  const max = new Uint8Array(features)
  for (const [i, value] of values.entries()) {
    const j = i % features
    sum[j]! += value
    squares[j]! += value ** 2
    min[j] = Math.min(min[j]!, value)
    max[j] = Math.max(max[j]!, value)
  }
  return { sum, squares, min, max }
}

async function computesMoments(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())
  const same = (values: Uint8Array, features: number) =>
    t.strictSame(kernels.moments(values, features), momentsOf(values, features))
  const sizes = fc.record({ features: fc.integer({ min: 1, max: 300 }), rows: fc.nat(50), seed: fc.nat(1e6) })
  const property = fc.property(sizes, ({ features, rows, seed }) => {
    same(new Uint8Array(features * rows).map(randomBytes(seed)), features)
  })
  fc.assert(property, { seed: 400, numRuns: 30 })
  same(new Uint8Array(3072 * 300).map(randomBytes(1)), 3072)
  same(new Uint8Array(2 * 70000).map(randomBytes(2)), 2)
  same(new Uint8Array(16 * 70000).fill(255), 16)
}

async function computesTheSameBits(t: Test, open: Open): Promise<void> {
  const cases: Shape[] = [
    { features: 3072, classes: 10, rows: 100, kind: 'uint8 with affine', seed: 21 },
    { features: 1001, classes: 37, rows: 129, kind: 'float32', seed: 22 },
    { features: 3072, classes: 3, rows: 700, kind: 'uint8', seed: 23 },
    { features: 130, classes: 300, rows: 70, kind: 'uint8 with affine', seed: 24 },
  ]
  const random = cases.map(randomRows)

  t.test('with 1, 2, 3 and 8 threads', async (t) => {
    const all = new Set<string>()
    for (const threads of [1, 2, 3, 8]) {
      const kernels = await open(threads)
      t.equal(kernels.threads, threads)
      // Several rounds, because some threads start late.
      for (let round = 0; round < (threads === 1 ? 1 : 3); round++) {
        all.add(fingerprint(kernels, cases, random))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      kernels.close()
    }
    t.equal(all.size, 1)
  })

  t.test('for rows in its memory, in memory from before it grew and in other memory', async (t) => {
    const kernels = await open(2)
    const own = random.map((rows) => moved(rows, kernels))
    kernels.allocate(64 * 1024 * 1024)
    const younger = random.map((rows) => moved(rows, kernels))
    const foreign = fingerprint(kernels, cases, random)
    t.equal(fingerprint(kernels, cases, own), foreign)
    t.equal(fingerprint(kernels, cases, younger), foreign)
    kernels.close()
  })

  t.test('after parameters are loaded, from either precision', async (t) => {
    const kernels = await open(2)
    t.teardown(() => kernels.close())
    const [one, other] = [loaded(kernels, cases[0]!), network(kernels, 3072, 10)]
    for (let i = 0; i < 3; i++) one.step(random[0]!, sgd(0.05, 0.1))
    other.load({ W: Float64Array.from(one.read().W), b: Float64Array.from(one.read().b) })
    t.same(other.read(), one.read())
    t.equal(one.step(random[0]!, sgd(0.05, 0.1)), other.step(random[0]!, sgd(0.05, 0.1)))
    t.same(other.read(), one.read())
  })
}

/** The bits of all results of a short training run. */
export function fingerprint(kernels: Kernels, cases: Shape[], rowsOf: Rows[]): string {
  const bits: string[] = []
  for (const [i, shape] of cases.entries()) {
    const rows = rowsOf[i]!
    const model = loaded(kernels, shape)
    bits.push(String(model.step(rows, sgd(0.001, 0.1))), String(model.step(rows, sgd(0.001, 0.1))))
    model.accumulate(rows)
    model.accumulate(rows)
    const {
      arrays: { W, b },
      loss,
    } = model.gradient(0.1)
    const { loss: sum, correct } = model.evaluate(rows)
    const logits = new Float64Array(shape.rows * shape.classes)
    model.scores(rows, logits)
    const parameters = model.read()
    for (const array of [parameters.W, parameters.b, W, b, logits]) bits.push(hash(array))
    bits.push(String(loss), String(sum), String(correct), String(model.penalty()))
    model.free()
  }
  return bits.join()
}

async function refusesWrongArguments(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())
  const shape: Shape = { features: 40, classes: 4, rows: 300, kind: 'uint8', seed: 31 }
  const rows = randomRows(shape)

  /** Checks that calls throw `error` before and during a step, and change neither parameters nor sums. */
  const refuses = (t: Test, error: Error, calls: (model: HostNetwork) => (() => void)[], whileEmpty = false) => {
    const [model, fresh] = [loaded(kernels, shape), loaded(kernels, shape)]
    const before = [hash(model.read().W), hash(model.read().b)]
    for (const call of calls(model)) t.throws(call, error)
    for (const each of [model, fresh]) each.accumulate(rows)
    if (!whileEmpty) for (const call of calls(model)) t.throws(call, error)
    t.same([hash(model.read().W), hash(model.read().b)], before, 'parameters have not changed')
    t.same(model.gradient(0), fresh.gradient(0), 'sums have not changed')
    t.equal(model.step(rows, sgd(1e-5, 0)), fresh.step(rows, sgd(1e-5, 0)))
    t.same(model.read(), fresh.read())
  }

  t.test('labels that are not classes, before it sums anything', async (t) => {
    for (const label of [-1, 4, 255, 2 ** 31 - 1, -(2 ** 31)]) {
      const wrong = { ...rows, labels: rows.labels.map((y, i) => (i === 299 ? label : y)) }
      refuses(t, new RangeError(`label ${label} of row 299 is not in 0 … 3`), (model) => [
        () => model.step(wrong, sgd(0.1, 0)),
        () => model.accumulate(wrong),
        () => model.evaluate(wrong),
      ])
    }
    loaded(kernels, shape).scores({ ...rows, labels: rows.labels.map(() => -1) }, new Float32Array(1200))
  })

  t.test('a step and a gradient without any row', async (t) => {
    const none = part(rows, 40, 0, 0)
    const calls = (model: HostNetwork) => [
      () => model.step(none, sgd(0.1, 0.1)),
      () => model.gradient(0.1),
      () => {
        model.accumulate(none)
        model.gradient(0.1)
      },
    ]
    refuses(t, new RangeError('expected at least one row to take a gradient of'), calls, true)
    const model = loaded(kernels, shape)
    model.step(rows, sgd(1e-5, 0))
    t.throws(() => model.gradient(0), RangeError, 'a step clears the sums')
  })

  t.test('values, maps, logits and parameters that do not fit', async (t) => {
    const affine = { mean: new Float64Array(40), scale: new Float64Array(39) }
    const cases: [Rows, string][] = [
      [{ ...rows, values: new Uint8Array(11999) }, '300 rows of 40 features need 12000 values, got 11999'],
      [{ ...rows, values: new Float32Array(11999) }, '300 rows of 40 features need 12000 values, got 11999'],
      [{ ...rows, affine }, 'an affine map of 40 features cannot have 39 entries'],
    ]
    for (const [wrong, message] of cases) {
      refuses(t, new RangeError(message), (model) => [
        () => model.step(wrong, sgd(0.1, 0)),
        () => model.accumulate(wrong),
        () => model.evaluate(wrong),
        () => model.scores(wrong, new Float32Array(1200)),
      ])
    }
    refuses(t, new RangeError('300 rows have 1200 scores, there is room for 1199'), (model) => [
      () => model.scores(rows, new Float32Array(1199)),
      () => model.scores(rows, new Float64Array(1199)),
    ])
    const [W, b] = [new Float32Array(160), new Float32Array(4)]
    for (const [w, c] of [
      [159, 4],
      [161, 4],
      [160, 3],
    ] as const) {
      refuses(t, new RangeError(`expected W of 160 and b of 4 numbers, got ${w} and ${c}`), (model) => [
        () => model.load({ W: w > 160 ? new Float32Array(w) : W.subarray(0, w), b: b.subarray(0, c) }),
      ])
    }
    for (const [w, c] of [
      [159, 4],
      [161, 4],
      [160, 3],
      [160, 5],
    ] as const) {
      const arrays = kernels.precision === 'float64' ? Float64Array : Float32Array
      const message = `expected W of 160 and b of 4 numbers, got ${w} and ${c}`
      const [model, same] = [loaded(kernels, shape), loaded(kernels, shape)]
      for (const each of [model, same]) each.accumulate(rows)
      t.throws(() => model.gradient(0.1, { W: new arrays(w), b: new arrays(c) }), new RangeError(message))
      t.same(model.gradient(0.1), same.gradient(0.1), 'sums have not changed')
    }
    t.throws(
      () => loaded(kernels, shape).load({ W } as never),
      /expected W of 160 and b of 4 numbers, got 160 and none/,
    )
    t.throws(() => kernels.moments(new Uint8Array(11), 10), new RangeError('11 values are not rows of 10 features'))
  })

  t.test('numbers of features and classes out of range', async (t) => {
    const cases: [features: number, classes: number, message: string][] = [
      [0, 2, 'expected 1 to 268435456 features, got 0'],
      [-1, 2, 'expected 1 to 268435456 features, got -1'],
      [1.5, 2, 'expected 1 to 268435456 features, got 1.5'],
      [2 ** 40, 2, 'expected 1 to 268435456 features, got 1099511627776'],
      [2, 0, 'expected 1 to 1048576 classes, got 0'],
      [2, Number.NaN, 'expected 1 to 1048576 classes, got NaN'],
      [3072, 1e9, 'expected 1 to 1048576 classes, got 1000000000'],
      [2048, 2 ** 20, '2048 features and 1048576 classes make 2147483648 weights, a classifier has 2147483647 at most'],
      [3072, 1e6, '3072 features and 1000000 classes make 3072000000 weights, a classifier has 2147483647 at most'],
    ]
    for (const [features, classes, message] of cases)
      t.throws(() => network(kernels, features, classes), new RangeError(message))
  })

  t.test('networks that it cannot compute', async (t) => {
    t.throws(() => kernels.network({ features: 4, layers: [], loss: 'cross-entropy' }), RangeError)
    t.throws(() => kernels.network({ features: 4, layers: [{ units: 2 }], loss: 'huber' as LossName }), RangeError)
    t.throws(() => kernels.network({ features: 4, layers: [{ units: 2 }], loss: 'hinge', smoothing: 1 }), RangeError)
    t.throws(
      () => kernels.network({ features: 4, layers: [{ units: 0 }, { units: 2 }], loss: 'hinge' }),
      new RangeError('expected 1 to 1048576 classes, got 0'),
    )
    t.same(network(kernels, 4, 2).penalty(), 0, 'the kernel still works')
  })

  t.test('memory that no machine has', async (t) => {
    const message = /^cannot allocate 1125899906842624 bytes: /
    if (kernels.name !== 'wasm' && constants.MAX_LENGTH <= 2 ** 33 - 2)
      t.throws(() => kernels.allocate(2 ** 33), {
        name: 'RangeError',
        code: 'OUT_OF_MEMORY',
        message: new RegExp(
          `^cannot allocate 8589934592 bytes: an array of Node ${process.versions.node} has ${constants.MAX_LENGTH} elements at most, this one would have 8589934592; `,
        ),
      })
    t.throws(() => kernels.allocate(2 ** 50), { name: 'RangeError', code: 'OUT_OF_MEMORY', message })
    t.equal(kernels.allocate(10).length, 10, 'the kernel still works')
  })

  if (kernels.name === 'reference') return
  t.test('numbers of threads that are not positive integers', async (t) => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      const message = `expected at least 1 thread, got ${threads}`
      await t.rejects(async () => open(threads), new RangeError(message))
    }
  })
}

async function managesMemory(t: Test, open: Open): Promise<void> {
  const shape: Shape = { features: 50, classes: 6, rows: 20, kind: 'uint8 with affine', seed: 41 }

  t.test('allocated memory is zeroed, shared, and starts on a cache line', async (t) => {
    const kernels = await open(1)
    for (const bytes of [0, 1, 63, 64, 100, 5_000_000]) {
      const memory = kernels.allocate(bytes)
      t.equal(memory.length, bytes)
      if (kernels.name !== 'native') t.equal(memory.byteOffset % 64, 0)
      t.ok(memory.buffer instanceof SharedArrayBuffer)
      t.notOk(memory.some(Boolean))
      memory.fill(255)
    }
    kernels.close()
    const next = await open(1)
    t.notOk(next.allocate(5_000_000).some(Boolean), 'zeroed again after close and open')
    next.close()
  })

  t.test('rows, networks and their parameters do not overlap', async (t) => {
    const kernels = await open(2)
    const rows = moved(randomRows(shape), kernels)
    const bits = hash(rows.values)
    const one = loaded(kernels, shape)
    const alone = one.step(rows, sgd(0.01, 0))
    for (let i = 0; i < 20; i++) {
      const other = network(kernels, 50 + i, 3)
      t.notOk(other.read().W.some(Boolean), 'new parameters are zero')
      other.load({ W: new Float32Array(3 * (50 + i)).fill(9), b: new Float32Array(3).fill(9) })
      other.evaluate({ values: new Float32Array((50 + i) * 7).fill(1), labels: new Int32Array(7) })
      other.free()
    }
    one.load(randomParameters(shape))
    t.equal(one.step(rows, sgd(0.01, 0)), alone)
    t.equal(hash(rows.values), bits)
    kernels.close()
  })

  t.test('a gradient is not in memory that is freed', async (t) => {
    const kernels = await open(1)
    t.teardown(() => kernels.close())
    const model = loaded(kernels, shape)
    const [bytes, arrays] = kernels.precision === 'float64' ? [8, Float64Array] : [4, Float32Array]
    const layer = { W: new arrays(300), b: new arrays(6) }
    /** Allocates blocks of the size of W, of b and larger, until no freed block can be left. */
    const overwriteFreeMemory = (): void => {
      for (const length of [300, 6, 300, 6, 3000]) kernels.allocate(length * bytes).fill(255)
    }
    for (const into of [undefined, layer]) {
      model.accumulate(randomRows(shape))
      const gradient = model.gradient(0.1, into)
      const [W, b] = [Array.from(gradient.arrays.W), Array.from(gradient.arrays.b)]
      t.notOk([...W, ...b].some(Number.isNaN))
      t.ok(W.some(Boolean))
      overwriteFreeMemory()
      t.same(Array.from(gradient.arrays.W), W)
      t.same(Array.from(gradient.arrays.b), b)
      model.accumulate(randomRows({ ...shape, seed: 42 }))
      model.gradient(0.1)
      model.step(randomRows(shape), sgd(0.01, 0))
      t.same([Array.from(gradient.arrays.W), Array.from(gradient.arrays.b)], [W, b], 'later calls do not change it')
    }
  })

  t.test('a network may be freed twice, also if its memory is in use again', async (t) => {
    const kernels = await open(1)
    const freed = loaded(kernels, shape)
    freed.step(randomRows(shape), sgd(0.01, 0))
    freed.free()
    const [one, same] = [loaded(kernels, shape), loaded(kernels, shape)]
    for (const each of [one, same]) each.accumulate(randomRows(shape))
    freed.free()
    kernels.allocate(100_000).fill(255)
    for (let i = 0; i < 20; i++) kernels.allocate(1000).fill(255)
    t.equal(one.step(randomRows(shape), sgd(0.01, 0)), same.step(randomRows(shape), sgd(0.01, 0)))
    t.same(one.read(), same.read())
    t.notOk(one.read().W.some(Number.isNaN))
    kernels.close()
  })

  t.test('it may be closed twice; after that it throws and writes nothing', async (t) => {
    const kernels = await open(2)
    const model = loaded(kernels, shape)
    model.accumulate(randomRows(shape))
    kernels.close()
    kernels.close()
    if (kernels.name === 'reference') return
    const next = await open(2)
    const bytes = next.allocate(100_000).fill(1)
    const closed = { message: /^(these kernels|the kernels of this classifier) are closed$/ }
    const rows = randomRows(shape)
    t.throws(() => model.load(randomParameters(shape)), closed)
    t.throws(() => model.step(rows, sgd(0.1, 0)), closed)
    t.throws(() => model.accumulate(rows), closed)
    t.throws(() => model.evaluate(rows), closed)
    t.throws(() => model.gradient(0), closed)
    t.throws(() => model.change(() => t.fail('changed')), closed)
    t.throws(() => model.penalty(), closed)
    t.throws(() => model.scores(rows, new Float32Array(120)), closed)
    t.throws(() => network(kernels, 1, 2), closed)
    t.throws(() => kernels.moments(new Uint8Array(10), 10), closed)
    model.free()
    t.ok(bytes.every((byte) => byte === 1))
    next.close()
  })
}

function loaded(kernels: Kernels, shape: Shape): HostNetwork {
  const model = network(kernels, shape.features, shape.classes)
  model.load(randomParameters(shape))
  return model
}

/** The same network of `kernels` and of the reference. */
function both(kernels: Kernels, shape: Shape): [model: HostNetwork, oracle: HostNetwork] {
  return [loaded(kernels, shape), loaded(referenceKernels(), shape)]
}

function near(actual: Numbers, expected: Numbers, what: string, tolerance = TOLERANCE): void {
  const scale = largest(expected)
  let difference = 0
  for (let i = 0; i < expected.length; i++) difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!))
  note(what, difference, scale)
  if (!(difference <= tolerance * scale)) throw new Error(`${what} differs by ${difference}, of ${scale}`)
}

function nearLoss(actual: number, expected: number, what: string, scale = expected): void {
  const difference = Math.abs(actual - expected)
  note(what, difference, scale)
  if (!(difference <= LOSS_TOLERANCE * scale)) throw new Error(`${what}: ${actual}, not ${expected}`)
}

function note(what: string, difference: number, scale: number): void {
  if (scale > 0) worst[what] = Math.max(worst[what] ?? 0, difference / scale)
}

function largest(array: Numbers): number {
  let most = 0
  for (const value of array) most = Math.max(most, Math.abs(value))
  return most
}

function ties(logits: Float64Array, classes: number): number {
  const margin = 2 * TOLERANCE * largest(logits)
  let count = 0
  for (let from = 0; from < logits.length; from += classes) {
    const row = logits.slice(from, from + classes).sort()
    if (row[classes - 1]! - row[classes - 2]! <= margin) count++
  }
  return count
}

function hash(array: ArrayBufferView): string {
  let sum = 2166136261
  for (const byte of new Uint8Array(array.buffer, array.byteOffset, array.byteLength))
    sum = Math.imul(sum ^ byte, 16777619)
  return sum.toString(16)
}
