import t from 'tap'
import { hostKernelNames, openKernels } from '../../dist/kernels/index.js'
import { implementations } from '../../dist/kernels/registry.js'
import { sgd, type Update, update, updateRule } from '../../dist/learners/index.js'
import { type Layer, network, sgd as sgdStep } from '../kernels/problems.js'

const rows = { values: Uint8Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(0, 1) }
const start = { W: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(0.5, -0.5) }
const [eta, lambda] = [0.1, 0.01]

/** The update of one step by the rule `sgd`, with a gradient that was taken outside. */
function apply(parameters: Layer, gradient: Layer, step: number): void {
  sgd.update(parameters.W, gradient.W, sgd.init(parameters.W.length), { eta, decay: 2 * lambda, isWeights: true, step })
  sgd.update(parameters.b, gradient.b, sgd.init(parameters.b.length), { eta, decay: 0, isWeights: false, step })
}

for (const kernel of hostKernelNames)
  t.test(
    `sgd on a gradient that was taken in parts makes the step of the ${kernel} kernel`,
    { skip: (await implementations[kernel].missing()) ?? false },
    async (t) => {
      const kernels = await openKernels({ kernel, threads: 1 })
      const [whole, parts] = [network(kernels, 3, 2), network(kernels, 3, 2)]
      for (const each of [whole, parts]) each.load(start)
      const Numbers = kernels.precision === 'float64' ? Float64Array : Float32Array
      const into = { W: new Numbers(6), b: new Numbers(2) }
      for (let i = 1; i <= 3; i++) {
        const loss = whole.step(rows, sgdStep(eta, lambda))
        parts.accumulate({ values: rows.values.subarray(0, 3), labels: rows.labels.subarray(0, 1) })
        parts.accumulate({ values: rows.values.subarray(3), labels: rows.labels.subarray(1) })
        const gradient = parts.gradient(0, into)
        t.equal(gradient.arrays.W, into.W, 'the gradient is in the arrays that the caller gave')
        t.equal(gradient.arrays.b, into.b)
        t.ok(Math.abs(gradient.loss - loss) <= 1e-6 * loss)
        parts.change((parameters) => apply(parameters as Layer, into, i))
        for (const name of ['W', 'b'] as const)
          for (const [j, value] of whole.read()[name].entries())
            t.ok(Math.abs(value - parts.read()[name][j]!) < 1e-6, `${name}[${j}] after step ${i}`)
      }
      for (const wrong of [
        { W: new Numbers(5), b: new Numbers(2) },
        { W: new Numbers(7), b: new Numbers(2) },
        { W: new Numbers(6), b: new Numbers(1) },
      ]) {
        t.throws(() => parts.change((parameters) => apply(parameters as Layer, wrong, 4)), RangeError)
        parts.accumulate(rows)
        t.throws(() => parts.gradient(0, wrong), RangeError)
      }
      for (const each of [whole, parts]) each.free()
      kernels.close()
    },
  )

t.test('sgd subtracts eta times the gradient, and the decay if there is one', async (t) => {
  const gradient = Float64Array.of(4, 8, -2)
  for (const [decay, expected] of [
    [0, [-1, -6, 4]],
    [0.5, [-1.25, -5.5, 3.25]],
  ] as const) {
    const parameters = Float64Array.of(1, -2, 3)
    sgd.update(parameters, gradient, sgd.init(3), { eta: 0.5, decay, isWeights: true, step: 1 })
    t.strictSame([...parameters], expected)
  }
  t.strictSame([...gradient], [4, 8, -2], 'it does not change the gradient')
})

t.test('sgd rounds once: float32 parameters hold the nearest value to the float64 step', async (t) => {
  const [w, g, eta, decay] = [Math.fround(0.1), Math.fround(0.3), 0.7, 0.2]
  const parameters = Float32Array.of(w)
  sgd.update(parameters, Float32Array.of(g), sgd.init(1), { eta, decay, isWeights: true, step: 1 })
  t.equal(parameters[0], Math.fround(w - eta * (g + decay * w)))
})

t.test('sgd refuses a gradient of another length, and changes nothing then', async (t) => {
  const parameters = Float64Array.of(1, 2)
  for (const length of [0, 1, 3])
    t.throws(
      () =>
        sgd.update(parameters, new Float64Array(length).fill(1), {}, { eta: 1, decay: 0, isWeights: true, step: 1 }),
      new RangeError(`a gradient of ${length} numbers does not fit 2 parameters`),
    )
  t.strictSame([...parameters], [1, 2])
})

/** The parameter after each step of a rule, from 1 with these gradients and no decay unless one is given. */
function path(chosen: Update, gradients: number[], { eta = 0.1, decay = 0, isWeights = true } = {}): number[] {
  const rule = updateRule(chosen)
  const w = Float64Array.of(1)
  const state = rule.init(1)
  return gradients.map((g, i) => {
    rule.update(w, Float64Array.of(g), state, { eta, decay, isWeights, step: i + 1 })
    return Number(w[0]!.toFixed(12))
  })
}

t.test('momentum and nesterov make the steps that are computed by hand', async (t) => {
  // v = 1, 2.5, 1.25 with mu 0.5 and gradients 1, 2, 0.
  t.strictSame(path({ momentum: 0.5 }, [1, 2, 0]), [0.9, 0.65, 0.525])
  // g + mu v = 1.5, 3.25, 0.625
  t.strictSame(path({ nesterov: 0.5 }, [1, 2, 0]), [0.85, 0.525, 0.4625])
  t.strictSame(path('momentum', [1, 1]), path({ momentum: 0.9 }, [1, 1]))
  t.strictSame(path('nesterov', [1, 1]), path({ nesterov: 0.9 }, [1, 1]))
  t.strictSame(path({ momentum: 0 }, [1, 2, -3], { decay: 0.2 }), path('sgd', [1, 2, -3], { decay: 0.2 }))
  // The penalty goes into the velocity: v = 0.5, then 0.5 * 0.5 + 0.5 * 0.95.
  t.strictSame(path({ momentum: 0.5 }, [0, 0], { decay: 0.5 }), [0.95, 0.8775])
})

t.test('adam corrects the bias of its means: the first step is eta, whatever the gradient', async (t) => {
  for (const g of [1e-3, 1, 1000]) t.ok(Math.abs(path('adam', [g])[0]! - 0.9) < 2e-6, String(g))
  // m = 0.5, 0.75; v = 0.5, 2.25 (gradients 1, 2; both betas 0.5); corrected 1, 5/3 - ... by hand:
  const [one, two] = path({ adam: { beta1: 0.5, beta2: 0.5, epsilon: 1e-8 } }, [1, 2])
  t.ok(Math.abs(one! - 0.9) < 1e-8)
  const [m, v] = [(0.5 * 0.5 + 0.5 * 2) / 0.75, (0.5 * 0.5 + 0.5 * 4) / 0.75]
  t.ok(Math.abs(two! - (one! - (0.1 * m) / (Math.sqrt(v) + 1e-8))) < 1e-12)
  // The penalty is part of the gradient, so it hardly matters how large it is.
  t.ok(Math.abs(path('adam', [0], { decay: 0.01 })[0]! - 0.9) < 1e-5)
})

t.test('adamw takes its decay off weights, and off nothing else', async (t) => {
  const still = { adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0.5 } }
  t.strictSame(path(still, [0, 0]), [0.95, 0.9025])
  t.strictSame(path(still, [0, 0], { isWeights: false }), [1, 1])
  t.strictSame(path('adamw', [0]), [0.999])
})

t.test(
  'every rule names its state, keeps it apart from its arguments, and refuses a gradient of another length',
  async (t) => {
    const states: [Update, string[]][] = [
      ['sgd', []],
      ['momentum', ['velocity']],
      ['nesterov', ['velocity']],
      ['adam', ['mean', 'square']],
      ['adamw', ['mean', 'square']],
    ]
    for (const [chosen, names] of states) {
      const rule = updateRule(chosen)
      t.equal(rule.name, chosen)
      const state = rule.init(3)
      t.strictSame(Object.keys(state), names)
      t.ok(Object.values(state).every((values) => values.length === 3 && !values.some(Boolean)))
      const gradient = Float64Array.of(1, 2, 3)
      const settings = { eta: 1, decay: 0.1, isWeights: true, step: 1 }
      rule.update(new Float32Array(3).fill(1), gradient, state, settings)
      t.strictSame([...gradient], [1, 2, 3], 'the gradient does not change')
      t.throws(() => rule.update(new Float64Array(2), gradient, rule.init(2), settings), RangeError)
    }
    t.equal(updateRule('sgd'), sgd)
  },
)

t.test('numbers of rules that are wrong are refused', async (t) => {
  for (const right of ['adam', { adam: {} }, { adamw: { decay: 0 } }, { momentum: 0 }])
    t.ok(update.safeParse(right).success, JSON.stringify(right))
  for (const wrong of [
    'rmsprop',
    { momentum: 1 },
    { momentum: -0.1 },
    { nesterov: 2 },
    { adam: { beta1: 1 } },
    { adam: { epsilon: 0 } },
    { adam: { decay: 0.1 } },
    { adamw: { decay: -1 } },
    { momentum: 0.9, nesterov: 0.9 },
    {},
  ])
    t.notOk(update.safeParse(wrong).success, JSON.stringify(wrong))
})
