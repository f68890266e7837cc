import t from 'tap'
import type { NetworkShape } from '../../dist/kernels/index.js'
import { arraysOfNetwork } from '../../dist/kernels/network-shape.js'
import { referenceKernels } from '../../dist/kernels/reference.js'
import { dropoutMasks } from '../../dist/learners/dropout.js'
import { networkCostAround } from '../../dist/learners/network-cost.js'
import { randomRows } from '../kernels/problems.js'

const relu = (units: number, batchNorm = false) => ({ units, activation: 'relu' as const, batchNorm })
const shapes: Record<string, NetworkShape> = {
  'two layers': { features: 7, layers: [relu(5), { units: 3 }], loss: 'cross-entropy' },
  smoothing: { features: 7, layers: [relu(5), { units: 3 }], loss: 'cross-entropy', smoothing: 0.2 },
  'batch norm': { features: 7, layers: [relu(5, true), relu(4, true), { units: 3 }], loss: 'cross-entropy' },
  hinge: { features: 7, layers: [{ units: 3 }], loss: 'hinge' },
  dropout: {
    features: 7,
    layers: [{ ...relu(8), dropout: 0.3 }, { ...relu(6, true), dropout: 0.5 }, { units: 3 }],
    loss: 'cross-entropy',
  },
  'weighted rows': { features: 7, layers: [relu(6), { units: 3 }], loss: 'hinge', weighted: true },
  'hinge on a network': { features: 7, layers: [relu(6), { units: 3 }], loss: 'hinge' },
}

for (const [name, shape] of Object.entries(shapes))
  t.test(`the cost of ${name} has the loss, the penalty and the slopes of the reference kernel`, async (t) => {
    const plain = randomRows({ features: 7, classes: 3, rows: 12, kind: 'uint8 with affine', seed: 5 })
    const rows = {
      ...plain,
      masks: dropoutMasks(shape)?.(77, plain.labels.keys()),
      ...(shape.weighted && { weights: Float64Array.from(plain.labels, (label) => label / 2) }),
    }
    const noise = randomRows({ features: 1, classes: 2, rows: 400, kind: 'float32', seed: 6 }).values
    let at = 0
    const specs = arraysOfNetwork(shape)
    const parameters = Object.fromEntries(
      specs.map(({ name, shape: extents }) => {
        const size = extents.reduce((a, b) => a * b, 1)
        return [name, Float64Array.from({ length: size }, () => noise[at++ % 400]! / 2 + Number(/gamma/.test(name)))]
      }),
    )
    const network = referenceKernels().network(shape)
    network.load(parameters)
    network.accumulate(rows)
    const { arrays, loss } = await network.gradient(0.1)
    const cost = await networkCostAround(shape, rows, parameters, () => undefined)
    t.ok(Math.abs(cost.loss - loss) < 1e-12 * Math.max(1, loss))
    t.ok(Math.abs(cost.penalty - (await network.penalty())) < 1e-12 * cost.penalty)
    let [worst, kinks, count] = [0, 0, 0]
    const h = 1e-5
    for (const [array, slopes] of Object.entries(arrays))
      for (const [i, slope] of slopes.entries()) {
        const w = parameters[array]![i]!
        const [up, down] = [cost.moved(array, i, w + h), cost.moved(array, i, w - h)]
        count++
        if (up.kinks !== cost.kinks || down.kinks !== cost.kinks) kinks++
        else {
          const difference = (up.loss - down.loss + 0.1 * (up.penalty - down.penalty)) / (2 * h)
          worst = Math.max(worst, Math.abs(difference - slope))
        }
      }
    t.ok(worst < 1e-7, `off by ${worst}`)
    t.ok(kinks <= 0.01 * count + 1, `${kinks} of ${count} next to a kink`)
    t.equal(cost.moved(specs[0]!.name, 0, parameters[specs[0]!.name]![0]!).loss, cost.loss, 'nothing stays moved')
  })

t.test('a move across a kink shows', async (t) => {
  const shape: NetworkShape = { features: 1, layers: [relu(1), { units: 2 }], loss: 'cross-entropy' }
  const parameters = {
    W1: Float64Array.of(1),
    b1: Float64Array.of(0),
    W2: Float64Array.of(1, -1),
    b2: Float64Array.of(0, 0),
  }
  const rows = { values: Float32Array.of(0.001, 2), labels: Int32Array.of(0, 1) }
  const cost = await networkCostAround(shape, rows, parameters, () => undefined)
  t.equal(cost.moved('b1', 0, 0.1).kinks, cost.kinks)
  t.not(cost.moved('b1', 0, -0.1).kinks, cost.kinks)
})
