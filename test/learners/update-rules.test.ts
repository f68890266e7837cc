import t from 'tap'
import { kernelNames, openKernels } from '../../dist/kernels/index.js'
import { implementations } from '../../dist/kernels/registry.js'
import { sgd, updateRules } from '../../dist/learners/index.js'
import { type Layer, network, sgd as sgdStep } from '../kernels/problems.js'

const rows = { values: Uint8Array.of(1, 2, 3, 4, 5, 6), labels: Int32Array.of(0, 1) }
const start = { W: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(0.5, -0.5) }
const [eta, lambda] = [0.1, 0.01]

/** The update of one step by the rule `sgd`, with a gradient that was taken outside. */
function apply(parameters: Layer, gradient: Layer, step: number): void {
  sgd.update(parameters.W, gradient.W, sgd.init(parameters.W.length), { eta, decay: 2 * lambda, step })
  sgd.update(parameters.b, gradient.b, sgd.init(parameters.b.length), { eta, decay: 0, step })
}

for (const kernel of kernelNames)
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
    sgd.update(parameters, gradient, sgd.init(3), { eta: 0.5, decay, step: 1 })
    t.strictSame([...parameters], expected)
  }
  t.strictSame([...gradient], [4, 8, -2], 'it does not change the gradient')
})

t.test('sgd rounds once: float32 parameters hold the nearest value to the float64 step', async (t) => {
  const [w, g, eta, decay] = [Math.fround(0.1), Math.fround(0.3), 0.7, 0.2]
  const parameters = Float32Array.of(w)
  sgd.update(parameters, Float32Array.of(g), sgd.init(1), { eta, decay, step: 1 })
  t.equal(parameters[0], Math.fround(w - eta * (g + decay * w)))
})

t.test('sgd refuses a gradient of another length, and changes nothing then', async (t) => {
  const parameters = Float64Array.of(1, 2)
  for (const length of [0, 1, 3])
    t.throws(
      () => sgd.update(parameters, new Float64Array(length).fill(1), {}, { eta: 1, decay: 0, step: 1 }),
      new RangeError(`a gradient of ${length} numbers does not fit 2 parameters`),
    )
  t.strictSame([...parameters], [1, 2])
})

t.test('sgd keeps no state, and is found by its name', async (t) => {
  t.strictSame(sgd.init(5), {})
  for (const [name, rule] of Object.entries(updateRules)) t.equal(rule.name, name)
  t.equal(updateRules.sgd, sgd)
})
