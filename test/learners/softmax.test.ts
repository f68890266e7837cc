import t from 'tap'
import { fastKernelNames, type Kernels, openKernels, type Rows } from '../../dist/kernels/index.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { implementations } from '../../dist/kernels/registry.js'
import { softmax } from '../../dist/learners/index.js'
import type { OpenModel } from '../../dist/pipeline/stage-kit.js'
import { kinds, type Layer, network, part, randomParameters, randomRows, type Shape, sgd } from '../kernels/problems.js'

const lambda = 0.3
const noPause = (): undefined => undefined

/** Loss, hits and scores of rows in float64, computed row by row without a kernel. */
function direct({ W, b }: Layer, { values, labels, affine }: Rows) {
  const features = W.length / b.length
  const scores: number[] = []
  let loss = 0
  let correct = 0
  for (const [i, label] of labels.entries()) {
    const z = Array.from(values.subarray(i * features, (i + 1) * features), (x, j) =>
      affine ? (x - affine.mean[j]!) * affine.scale[j]! : x,
    )
    const row = Array.from(b, (bias, k) => z.reduce((sum, x, j) => sum + W[k * features + j]! * x, bias))
    const largest = Math.max(...row)
    const total = row.reduce((sum, s) => sum + Math.exp(s - largest), 0)
    loss -= Math.log(Math.exp(row[label]! - largest) / total)
    if (row.indexOf(largest) === label) correct++
    scores.push(...row)
  }
  return { loss, correct, scores }
}

const penaltyOf = ({ W }: Layer): number => Array.from(W).reduce((sum, w) => sum + w * w, 0)

/** Opens a model and loads it. */
function opened(kernels: Kernels, { features, classes }: Shape, parameters: Layer): OpenModel {
  const model = softmax.open(kernels, { features, classes }, {})
  model.load(parameters)
  return model
}

const isNear = (actual: number, expected: number, tolerance: number): boolean =>
  Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))

t.test('arrays are W [classes, features] and b [classes]', async (t) => {
  t.strictSame(softmax.arrays({ features: 4, classes: 3 }, {}), [
    { name: 'W', shape: [3, 4], kind: 'weights' },
    { name: 'b', shape: [3], kind: 'bias' },
  ])
  for (const data of [
    { features: 4, classes: 3 },
    { features: 1, classes: 2 },
  ]) {
    const model = softmax.open(referenceKernels(), data, {})
    const arrays = (await model.read()) as Layer
    const expected = softmax.arrays(data, {}).map(({ name, shape }) => [name, shape.reduce((a, b) => a * b)])
    t.strictSame(
      Object.entries(arrays).map(([name, { length }]) => [name, length]),
      expected,
    )
    t.notOk([...arrays.W, ...arrays.b].some(Boolean), 'zero until they are loaded')
  }
})

t.test('templates are the rows of W, and scores are logits', async (t) => {
  t.equal(softmax.templates, 'W')
  t.strictSame(
    softmax.arrays({ features: 5, classes: 2 }, {}).find(({ name }) => name === softmax.templates)?.shape,
    [2, 5],
  )
  t.equal(softmax.scores, 'logits')
  t.equal(softmax.name, 'softmax')
})

t.test('softmax has no options', async (t) => {
  t.strictSame(softmax.options.parse({}), {})
  t.notOk(softmax.options.safeParse({ margin: 1 }).success)
})

t.test('metrics are loss, cost and accuracy, with units and directions', async (t) => {
  t.strictSame(
    softmax.metrics.map(({ name, title, unit, better }) => ({ name, title, unit, better })),
    [
      { name: 'loss', title: 'loss', unit: 'nats', better: 'lower' },
      { name: 'cost', title: 'cost', unit: 'nats', better: 'lower' },
      { name: 'accuracy', title: 'accuracy', unit: 'share', better: 'higher' },
    ],
  )
})

for (const kernel of ['reference', ...fastKernelNames] as const)
  t.test(
    `metrics from the sums of the ${kernel} kernel are those of a direct computation`,
    { skip: (await implementations[kernel].missing()) ?? false },
    async (t) => {
      const kernels = await openKernels({ kernel, threads: 1 })
      t.teardown(() => kernels.close())
      const tolerance = kernel === 'reference' ? 1e-12 : 1e-5
      for (const kind of kinds) {
        const shape: Shape = { features: 17, classes: 5, rows: 60, kind, seed: 4 }
        const [rows, parameters] = [randomRows(shape), randomParameters(shape)]
        const model = opened(kernels, shape, parameters)
        const expected = direct(parameters, rows)

        // In parts, as the stages that evaluate call it.
        const sums = [0, 0]
        for (const [from, to] of [
          [0, 25],
          [25, 25],
          [25, 60],
        ] as const)
          for (const [i, sum] of (await model.evaluate(part(rows, 17, from, to))).entries()) sums[i]! += sum
        t.equal(sums.length, 2)
        const penalty = lambda * (await model.penalty())
        const [loss, cost, accuracy] = softmax.metrics.map((metric) => metric.value(sums, 60, penalty))
        t.ok(isNear(loss!, expected.loss / 60, tolerance), `loss ${loss}, ${kind}`)
        t.ok(isNear(cost!, expected.loss / 60 + lambda * penaltyOf(parameters), tolerance), `cost ${cost}, ${kind}`)
        t.equal(accuracy, expected.correct / 60, kind)

        const scores = kernels.precision === 'float64' ? new Float64Array(300) : new Float32Array(300)
        await model.scores(rows, scores)
        t.ok(expected.scores.every((score, i) => isNear(scores[i]!, score, tolerance)))
        model.free()
      }
    },
  )

t.test('a model computes what the network of its kernel computes', async (t) => {
  const kernels = referenceKernels()
  const shape: Shape = { features: 6, classes: 4, rows: 20, kind: 'uint8 with affine', seed: 5 }
  const rows = randomRows(shape)
  const parameters = randomParameters(shape)
  const [model, same] = [opened(kernels, shape, parameters), network(kernels, 6, 4)]
  same.load(parameters)
  for (const each of [model, same]) each.accumulate(part(rows, 6, 0, 9))
  t.strictSame(model.step?.(part(rows, 6, 9, 20), sgd(0.1, lambda)), same.step(part(rows, 6, 9, 20), sgd(0.1, lambda)))
  for (const each of [model, same]) each.accumulate(rows)
  const into = { W: new Float64Array(24), b: new Float64Array(4) }
  const gradient = await model.gradient(lambda, into)
  t.equal(gradient.arrays.W, into.W)
  t.strictSame(gradient, same.gradient(lambda))
  for (const each of [model, same])
    await each.change(({ W }) => {
      W![3] = 0.5
    })
  t.strictSame(await model.read(), same.read())
  t.equal((await model.read()).W![3], 0.5)
  t.equal(await model.penalty(), same.penalty())
  t.equal(model.rowsPerCall, Math.floor(kernels.slice / ((6 + 128) * 4)))
})

t.test('a kernel may give the sums later', async (t) => {
  const kernels = referenceKernels()
  const later: Kernels = {
    ...kernels,
    network: (shape) => {
      const inner = kernels.network(shape)
      return { ...inner, evaluate: async (rows) => inner.evaluate(rows) }
    },
  }
  const shape: Shape = { features: 3, classes: 2, rows: 8, kind: 'float32', seed: 6 }
  const [model, same] = [later, kernels].map((each) => opened(each, shape, randomParameters(shape))) as [
    OpenModel,
    OpenModel,
  ]
  const sums = model.evaluate(randomRows(shape))
  t.ok(sums instanceof Promise)
  t.strictSame(await sums, same.evaluate(randomRows(shape)))
})

for (const kind of kinds)
  t.test(`costAround agrees with the whole loss at moved parameters (${kind})`, async (t) => {
    for (const classes of [1, 2, 5]) {
      const shape: Shape = { features: 6, classes, rows: 23, kind, seed: 7 + classes }
      const rows = randomRows(shape)
      const { W, b } = randomParameters(shape)
      const parameters = { W: Float64Array.from(W), b: Float64Array.from(b) }
      const model = opened(referenceKernels(), shape, parameters)
      const around = await softmax.costAround!(model, rows, parameters, noPause)
      const whole = ({ W, b }: Layer) => {
        model.load({ W, b })
        const [sum] = model.evaluate(rows) as readonly number[]
        return { loss: sum! / 23, penalty: model.penalty() as number }
      }
      const agrees = (
        actual: { readonly loss: number; readonly penalty: number },
        expected: { readonly loss: number; readonly penalty: number },
        what: string,
      ) => {
        t.ok(isNear(actual.loss, expected.loss, 1e-12), `loss of ${what}: ${actual.loss}, expected ${expected.loss}`)
        t.ok(isNear(actual.penalty, expected.penalty, 1e-12), `penalty of ${what}`)
      }
      agrees(around, whole(parameters), 'the parameters')
      // Twice, in different orders, so that columns are used again and are computed again.
      for (const names of [
        ['W', 'b'],
        ['b', 'W'],
      ] as const)
        for (const name of names)
          for (const [index, old] of parameters[name].entries())
            for (const by of [0, 1e-5, -0.3, 2]) {
              const moved = { W: parameters.W.slice(), b: parameters.b.slice() }
              moved[name][index] = old + by
              const what = `${name}[${index}] moved by ${by}, ${classes} classes`
              agrees(around.moved(name, index, old + by), whole(moved), what)
            }
      agrees(around, whole(parameters), 'the parameters, after all moves')
    }
  })

t.test('costAround computes the scores in calls of at most rowsPerCall rows, and pauses between them', async (t) => {
  const shape: Shape = { features: 4, classes: 3, rows: 10, kind: 'uint8 with affine', seed: 11 }
  const rows = randomRows(shape)
  const parameters = randomParameters(shape)
  const whole = opened(referenceKernels(), shape, parameters)
  const sizes: number[] = []
  const small: OpenModel = {
    ...whole,
    rowsPerCall: 4,
    scores: async (rows, out) => {
      sizes.push(rows.labels.length)
      await null
      return whole.scores(rows, out)
    },
  }
  let pauses = 0
  const pause = async () => {
    pauses++
  }
  const [a, b] = await Promise.all([
    softmax.costAround!(whole, rows, parameters, noPause),
    softmax.costAround!(small, rows, parameters, pause),
  ])
  t.strictSame(sizes, [4, 4, 2])
  t.equal(pauses, 3)
  t.equal(b.loss, a.loss)
  t.strictSame(b.moved('W', 5, 0.25), a.moved('W', 5, 0.25))
})
