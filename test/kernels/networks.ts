import fc from 'fast-check'
import type { Test } from 'tap'
import type { Arrays, Kernels, Network, NetworkShape, NetworkStep, Numbers, Rows } from '../../dist/kernels/contract.js'
import { arraysOfNetwork, BATCHES_SEEN } from '../../dist/kernels/network-shape.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { type Update, updateRule } from '../../dist/learners/index.js'
import type { OpenModel } from '../../dist/pipeline/stage-kit.js'
import { makeStepper, type Stepper } from '../../dist/stages/gradient-step/step.js'
import type { Open } from './agreement.js'
import { type HostNetwork, type Kind, kinds, part, randomBytes, randomRows, sgd } from './problems.js'

/** A network and rows to compare kernels on. */
export interface Case {
  readonly hidden: readonly number[]
  readonly batchNorm: boolean
  readonly loss: NetworkShape['loss']
  readonly smoothing: number
  readonly dropout: number
  readonly weighted: boolean
  /** Index of the layer that is not trained. */
  readonly frozen: number | undefined
  readonly features: number
  readonly classes: number
  readonly rows: number
  readonly kind: Kind
  readonly seed: number
}

const TOLERANCE = 3e-5

const sizes = (max: number) => fc.integer({ min: 1, max })

/** Networks of many shapes and options. */
export const cases: fc.Arbitrary<Case> = fc
  .record({
    hidden: fc.array(sizes(70), { maxLength: 3 }),
    batchNorm: fc.boolean(),
    loss: fc.constantFrom('cross-entropy' as const, 'hinge' as const),
    smoothing: fc.constantFrom(0, 0.1),
    dropout: fc.constantFrom(0, 0, 0.4),
    weighted: fc.constantFrom(false, false, true),
    frozen: fc.constantFrom(undefined, undefined, 0, 1),
    features: fc.oneof(sizes(90), sizes(900)),
    classes: fc.integer({ min: 2, max: 13 }),
    rows: fc.oneof(fc.integer({ min: 2, max: 70 }), fc.integer({ min: 71, max: 300 })),
    kind: fc.constantFrom(...kinds),
    seed: fc.nat(1e6),
  })
  .map((each) => ({
    ...each,
    smoothing: each.loss === 'hinge' ? 0 : each.smoothing,
    frozen: each.frozen !== undefined && each.frozen < each.hidden.length ? each.frozen : undefined,
    // Normalised outputs of a single feature, or of a few rows, do not depend on its weight: rounding is all that is left.
    rows: each.batchNorm ? each.rows + 20 : each.rows,
    features: each.batchNorm ? each.features + 5 : each.features,
  }))

/** Sizes next to those of the pieces that kernels cut work into. */
export const edges: Omit<Case, 'seed'>[] = [
  { ...plain([50], 3072), kind: 'uint8 with affine', rows: 100 },
  { ...plain([1], 1), rows: 2 },
  { ...plain([65, 129], 769), batchNorm: true, rows: 257, kind: 'uint8 with affine' },
  { ...plain([33], 40), rows: 300, loss: 'hinge' },
  { ...plain([], 130), rows: 65, loss: 'hinge', kind: 'uint8 with affine' },
  { ...plain([], 64), rows: 33, smoothing: 0.3 },
  { ...plain([300, 17], 20), rows: 64, smoothing: 0.2, batchNorm: true },
  { ...plain([20, 30], 50), rows: 70, dropout: 0.5, weighted: true, kind: 'uint8 with affine' },
  { ...plain([20, 30, 9], 50), rows: 70, dropout: 0.2, batchNorm: true, frozen: 1 },
  { ...plain([20, 30], 50), rows: 70, frozen: 0 },
  { ...plain([], 64), rows: 33, weighted: true },
  // More rows than the working memory of the wasm kernel holds at a time.
  { ...plain([3], 5001), rows: 450, kind: 'uint8 with affine' },
]

/** A network without options, and few rows. */
export function plain(hidden: number[], features: number): Omit<Case, 'seed'> {
  return {
    hidden,
    features,
    batchNorm: false,
    loss: 'cross-entropy',
    smoothing: 0,
    dropout: 0,
    weighted: false,
    frozen: undefined,
    classes: 10,
    rows: 9,
    kind: 'float32',
  }
}

/** Numbers of Adam. A large epsilon, because Adam makes a whole step of a gradient that is rounding alone. */
const adam = { beta1: 0.8, beta2: 0.9, epsilon: 0.01 }
/** The rules that keep state. */
export const rules: Update[] = [{ momentum: 0.7 }, { nesterov: 0.6 }, { adam }, { adamw: { ...adam, decay: 0.3 } }]

/** Makes steps of a rule on a network, as training does. */
export function stepperOf(
  kernels: Kernels,
  model: HostNetwork | Network,
  shape: NetworkShape,
  update: Update,
  change: GradientChange = {},
): Stepper {
  const parts = { specs: arraysOfNetwork(shape), rule: updateRule(update), lambda: 0.05, l1: 0, ...change, kernels }
  return makeStepper({ ...parts, model: model as unknown as OpenModel }, {}, { yieldToEventLoop: () => undefined })
}

/** The shape of the network of a case. */
export function shapeOf(each: Omit<Case, 'seed' | 'rows'>): NetworkShape {
  const { hidden, batchNorm, dropout, frozen, loss, smoothing, weighted, features, classes } = each
  const activation = 'relu' as const
  const layers = hidden.map((units, l) => ({ units, activation, batchNorm, dropout, frozen: l === frozen }))
  return { features, layers: [...layers, { units: classes }], loss, smoothing, weighted }
}

/** Rows, with weights and masks if the case has them. */
export function rowsFor(each: Case): Rows {
  const rows = randomRows({ ...each, seed: each.seed + 1 })
  const random = randomBytes(each.seed + 2)
  return {
    ...rows,
    ...(each.weighted && { weights: Float64Array.from(rows.labels, () => random() / 100) }),
    ...(each.dropout > 0 && {
      masks: each.hidden.map((units) =>
        new Uint8Array(each.rows * units).map(() => Number(random() >= each.dropout * 256)),
      ),
    }),
  }
}

/** Parameters that give outputs of about 1, in float32. */
export function parametersFor(shape: NetworkShape, { kind, seed }: Pick<Case, 'kind' | 'seed'>): Arrays {
  const normal = gaussian(seed)
  const entries = arraysOfNetwork(shape).map(({ name, shape: [units, inputs = 1], kind: what }, i) => {
    const typical = what === 'weights' ? Math.sqrt(inputs / 2) * (i === 0 && kind === 'uint8' ? 128 : 1) : 3
    const values = new Float32Array(units! * inputs).map(() => normal() / typical)
    if (what === 'scale' || name.startsWith('variance'))
      for (const at of values.keys()) values[at] = 1 + values[at]! ** 2
    if (name === BATCHES_SEEN) values[0] = seed % 2
    return [name, values]
  })
  return Object.fromEntries(entries)
}

function gaussian(seed: number): () => number {
  const { values } = randomRows({ features: 1, classes: 2, rows: 20_000, kind: 'float32', seed })
  let at = 0
  return () => values[at++ % values.length]!
}

/** The same network of `kernels` and of the reference, with the same parameters. */
export function bothNetworks(kernels: Kernels, each: Omit<Case, 'rows'>): [model: Network, oracle: HostNetwork] {
  const shape = shapeOf(each)
  const made = [kernels, referenceKernels()].map((one) => {
    const model = one.network(shape)
    model.load(parametersFor(shape, each))
    return model
  })
  return made as unknown as [Network, HostNetwork]
}

/** Throws unless a kernel computes a network as the reference does. */
export async function agrees(kernels: Kernels, each: Case): Promise<void> {
  try {
    await compare(kernels, each)
  } catch (cause) {
    throw new Error(`${(cause as Error).message} in ${JSON.stringify(each)}`, { cause })
  }
}

async function compare(kernels: Kernels, each: Case): Promise<void> {
  const { features, classes, rows: count } = each
  const [model, oracle] = bothNetworks(kernels, each)
  const rows = rowsFor(each)
  const [found, expected] = [new Float64Array(count * classes), new Float64Array(count * classes)]
  await model.scores(rows, found)
  oracle.scores(rows, expected)
  near(found, expected, 'scores')
  const [sums, truth] = [await model.evaluate(rows), oracle.evaluate(rows)]
  nearNumber(sums.loss, truth.loss, 'loss')
  nearNumber(await model.penalty(), oracle.penalty(), 'penalty')

  // A slope of a ReLU or a hinge is 0 or 1: rows that are next to a kink would differ by rounding.
  const parts = each.batchNorm ? [rows] : [part(rows, features, 0, 1), part(rows, features, 1, count)]
  for (const one of [model, oracle]) for (const some of parts) one.accumulate(some)
  const [gradient, exact] = [await model.gradient(0.1), oracle.gradient(0.1)]
  nearNumber(gradient.loss, exact.loss, 'loss of the gradient')
  compareArrays(gradient.arrays, exact.arrays, 'gradient')
  compareArrays(await model.read(), oracle.read(), 'running averages')

  const eta = 0.1
  const start = (await model.read()) as Arrays as never
  oracle.load(start)
  const before = Float32Array.from((start as Arrays)[`W${(each.frozen ?? 0) + 1}`] ?? [])
  const [loss, wanted] = [await model.step(rows, sgd(eta, 0.01)), oracle.step(rows, sgd(eta, 0.01))]
  nearNumber(loss, wanted, 'loss of the step')
  compareArrays(await model.read(), oracle.read(), 'parameters after a step')
  if (each.frozen !== undefined) near((await model.read())[`W${each.frozen + 1}`]!, before, 'frozen weights', 0)
  model.free()
}

/** What steps do to the gradient. */
type GradientChange = Pick<NetworkStep, 'clip'> & { readonly l1?: number }

/** Checks that a kernel makes two steps of a rule as the reference does. */
export async function rulesAgree(
  t: Test,
  kernels: Kernels,
  each: Case,
  update: Update,
  change: GradientChange = {},
  rows: Rows = rowsFor(each),
): Promise<void> {
  const shape = shapeOf(each)
  const [model, oracle] = bothNetworks(kernels, each)
  const stepper = stepperOf(kernels, model, shape, update, change)
  const truth = stepperOf(referenceKernels(), oracle as unknown as Network, shape, update, change)
  await t.resolves(
    async () => {
      for (const step of [1, 2]) {
        oracle.load((await model.read()) as never)
        for (const [name, values] of Object.entries(truth.state())) values.set(stepper.state()[name]!)
        const [loss, wanted] = [await stepper.step(rows, 0.02, step), truth.step(rows, 0.02, step)]
        nearNumber(loss, wanted as number, `loss of step ${step}`)
        compareArrays(await model.read(), oracle.read(), `parameters after step ${step}`)
        compareArrays(stepper.state(), truth.state(), `state after step ${step}`)
      }
    },
    `${JSON.stringify(update)}, ${JSON.stringify(each)}`,
  )
  t.ok(Object.values(stepper.state()).every((values) => values instanceof Float32Array))
  model.free()
}

/** Checks that a kernel computes networks as the reference does, and the same bits with any number of threads. */
export async function networksAgree(t: Test, open: Open): Promise<void> {
  const kernels = await open(2)
  t.teardown(() => kernels.close())
  const both = (each: Case) => bothNetworks(kernels, each) as unknown as HostNetwork[]

  await t.test('networks of many shapes', async () => {
    for (const [i, each] of edges.entries()) await agrees(kernels, { ...each, seed: i + 5 })
    await fc.assert(
      fc.asyncProperty(cases, (each) => agrees(kernels, each)),
      { seed: 400, numRuns: 20, endOnFailure: true },
    )
  })

  await t.test('steps of rules that keep state', async (t) => {
    const cases = [...edges, { ...plain([], 90), rows: 40 }, { ...plain([], 33), rows: 300 }]
    // Each case has two of the rules: the float64 oracle is slow.
    for (const [i, edge] of cases.entries())
      for (const update of [rules[i % 4]!, rules[(i + 2) % 4]!])
        await rulesAgree(t, kernels, { ...edge, seed: i + 30 }, update)
  })

  await t.test('step by step through a training whose learning rate makes it chaotic', async () => {
    const each: Case = { ...plain([20], 300), rows: 100, kind: 'uint8 with affine', seed: 7 }
    const rows = randomRows(each)
    const [model, oracle] = both(each) as [HostNetwork, HostNetwork]
    for (let i = 0; i < 40; i++) {
      oracle.load(model.read())
      const [loss, wanted] = [model.step(rows, sgd(0.5, 0.01)), oracle.step(rows, sgd(0.5, 0.01))]
      nearNumber(loss, wanted, `loss of step ${i}`)
      compareArrays(model.read(), oracle.read(), `parameters after step ${i}`)
    }
  })

  await t.test('the same bits with any number of threads', async (t) => {
    const bits = async (threads: number): Promise<string[]> => {
      const own = await open(threads)
      const found: string[] = []
      for (const [i, edge] of edges.entries()) {
        const each = { ...edge, seed: i + 50 }
        const shape = shapeOf(each)
        const model = own.network(shape) as unknown as HostNetwork
        model.load(parametersFor(shape, each) as never)
        const rows = rowsFor(each)
        found.push(String([model.step(rows, sgd(0.01, 0.1)), model.step(rows, sgd(0.01, 0.1))]))
        model.accumulate(rows)
        const { arrays, loss } = model.gradient(0.1)
        const stepper = stepperOf(own, model, shape, 'adam')
        found.push(String([stepper.step(rows, 0.01, 1), stepper.step(rows, 0.01, 2)]))
        for (const values of [
          ...Object.values(arrays),
          ...Object.values(model.read()),
          ...Object.values(stepper.state()),
        ])
          found.push(hex(values))
        found.push(String(loss), JSON.stringify(model.evaluate(rows)))
        model.free()
      }
      own.close()
      return found
    }
    const one = await bits(1)
    for (const threads of [2, 3, 8]) t.same(await bits(threads), one, `${threads} threads`)
  })

  await t.test('wrong arguments change nothing', async (t) => {
    const each: Case = { ...plain([6, 5], 12), batchNorm: true, seed: 3 }
    const [model, same] = [both(each)[0]!, both(each)[0]!]
    const rows = randomRows(each)
    const wrong: [Rows, RegExp][] = [
      [{ ...rows, labels: rows.labels.map(() => 10) }, /label 10 of row 0 is not in 0 … 9/],
      [{ ...rows, values: new Float32Array(3) }, /9 rows of 12 features need 108 values, got 3/],
    ]
    for (const [bad, message] of wrong)
      for (const call of [model.step, model.accumulate, model.evaluate] as ((rows: Rows, u: unknown) => void)[])
        t.throws(() => call(bad, sgd(0.1, 0)), message)
    const weights = new Float64Array(9).fill(1)
    t.throws(
      () => model.accumulate({ ...rows, weights }),
      /the network is not weighted, so its rows cannot have weights/,
    )
    const [dropping] = both({ ...each, dropout: 0.5, weighted: true })
    t.throws(() => dropping!.accumulate(rows), /layer 1 needs a mask of 54 for its dropout, got 0/)
    t.throws(() => dropping!.step({ ...rows, weights: weights.subarray(1) }, sgd(1, 1)), /9 rows cannot have 8 weights/)
    t.throws(() => model.gradient(0), /expected at least one row/)
    t.throws(() => model.step(part(rows, 12, 0, 0), sgd(1, 1)), /expected at least one row/)
    t.throws(() => model.load({ ...model.read(), b2: new Float32Array(4) } as never), /b2 of 5/)
    t.same(model.evaluate(part(rows, 12, 0, 0)), { loss: 0, correct: 0 })
    t.equal(model.step(rows, sgd(0.1, 0)), same.step(rows, sgd(0.1, 0)))
    t.same(hex(model.read().W1 as Numbers), hex(same.read().W1 as Numbers))
  })
}

function compareArrays(
  found: Readonly<Record<string, unknown>>,
  expected: Readonly<Record<string, unknown>>,
  what: string,
): void {
  for (const [name, values] of Object.entries(expected))
    near(found[name] as Numbers, values as Numbers, `${what}: ${name}`)
}

function near(found: Numbers, expected: Numbers, what: string, tolerance = TOLERANCE): void {
  // Some gradients are zero but for rounding: those by biases that a normalisation takes away.
  let [scale, off] = [0.02, 0]
  for (const [i, value] of expected.entries()) {
    scale = Math.max(scale, Math.abs(value))
    off = Math.max(off, Math.abs(value - found[i]!))
  }
  if (!(off <= tolerance * scale)) throw new Error(`${what} differs by ${off}, of ${scale}`)
}

function nearNumber(found: number, expected: number, what: string): void {
  if (!(Math.abs(found - expected) <= TOLERANCE * Math.max(1, Math.abs(expected))))
    throw new Error(`${what}: ${found}, not ${expected}`)
}

function hex({ buffer, byteOffset, byteLength }: Numbers): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
    .toString('hex')
    .slice(0, 4000)
}
