import t from 'tap'
import { type Initial, initial, initialArrays } from '../../dist/learners/index.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import type { ArraySpec } from '../../dist/pipeline/stage-kit.js'

/** The arrays of a dense layer. */
const layer = (features: number, classes: number): ArraySpec[] => [
  { name: 'W', shape: [classes, features], kind: 'weights' },
  { name: 'b', shape: [classes], kind: 'bias' },
]
const initialLayer = (init: Initial, features: number, classes: number, seed = 1) => {
  const { W, b } = initialArrays(init, layer(features, classes), randomStream(seed, 'model', 'init'))
  return { W: W!, b: b! }
}
const draw = (init: Initial, seed = 1) => initialLayer(init, 3000, 10, seed)
const deviation = (xs: Float64Array) => Math.sqrt(xs.reduce((sum, x) => sum + x * x, 0) / xs.length)

t.test('zeros are zeros', (t) => {
  const { W, b } = draw('zeros')
  t.strictSame([W.length, b.length], [30000, 10])
  t.ok([...W, ...b].every((x) => x === 0))
  t.end()
})

t.test('normal has mean 0 and the given deviation, 0.01 by default', (t) => {
  for (const [init, sigma] of [
    ['normal', 0.01],
    [{ normal: 2 }, 2],
  ] as [Initial, number][]) {
    const { W, b } = draw(init)
    t.ok(Math.abs(deviation(W) / sigma - 1) < 0.02)
    t.ok(Math.abs(W.reduce((sum, x) => sum + x, 0) / W.length / sigma) < 0.02)
    t.ok(
      b.every((x) => x !== 0 && Math.abs(x) < 5 * sigma),
      'b has the same distribution',
    )
  }
  t.end()
})

t.test('xavier and he have a deviation by the inputs of each array', (t) => {
  const specs = [
    { name: 'W1', shape: [10, 3000], kind: 'weights' as const },
    { name: 'b1', shape: [10], kind: 'offset' as const },
    { name: 'W2', shape: [10, 500], kind: 'weights' as const },
  ]
  for (const [init, factor] of [
    ['xavier', 1],
    ['he', 2],
  ] as const) {
    const { W1, b1, W2 } = initialArrays(init, specs, randomStream(1, 'model', 'init'))
    t.ok(Math.abs(deviation(W1!) / Math.sqrt(factor / 3000) - 1) < 0.02)
    t.ok(Math.abs(deviation(W2!) / Math.sqrt(factor / 500) - 1) < 0.03)
    t.ok(b1!.every((x) => x === 0))
  }
  t.end()
})

t.test('xavier of a single layer is uniform, as in version 0.1.0', (t) => {
  const { W, b } = initialArrays('xavier', layer(3000, 10), randomStream(1, 'model', 'init'))
  const limit = Math.sqrt(6 / 3010)
  t.ok(W!.every((x) => Math.abs(x) <= limit))
  t.ok(Math.abs(deviation(W!) / (limit / Math.sqrt(3)) - 1) < 0.02)
  t.ok(b!.every((x) => x === 0))
  const he = initialArrays('he', layer(3000, 10), randomStream(1, 'model', 'init'))
  t.ok(Math.abs(deviation(he.W!) / Math.sqrt(2 / 3000) - 1) < 0.02)
  t.end()
})

t.test('scales begin at one, offsets and averages at zero, whatever init says', (t) => {
  const kinds = ['scale', 'offset', 'average'] as const
  const specs = kinds.map((kind) => ({ name: kind, shape: [3], kind }))
  for (const init of ['normal', 'xavier', 'he', 'zeros', { normal: 2 }] as Initial[]) {
    const { scale, offset, average } = initialArrays(init, specs, randomStream(1, 'model', 'init'))
    t.strictSame([...scale!, ...offset!, ...average!], [1, 1, 1, 0, 0, 0, 0, 0, 0])
  }
  t.end()
})

t.test('the draw depends on the stream alone, and draws W first', (t) => {
  const bytes = (seed: number) => Buffer.from(draw('normal', seed).W.buffer)
  t.ok(bytes(1).equals(bytes(1)))
  t.notOk(bytes(1).equals(bytes(2)))
  const random = randomStream(1, 'model', 'init')
  const first = Array.from({ length: 6 }, () => 0.01 * random.normal())
  const { W, b } = initialLayer('normal', 2, 2)
  t.strictSame([...W, ...b], first)
  t.end()
})

t.test('the arrays have the names, the order and the sizes of their specs', (t) => {
  const specs: ArraySpec[] = [
    { name: 'b2', shape: [4], kind: 'bias' },
    { name: 'W1', shape: [2, 3, 4], kind: 'weights' },
  ]
  const random = randomStream(1, 'model', 'init')
  const first = Array.from({ length: 28 }, () => 3 * random.normal())
  const arrays = initialArrays({ normal: 3 }, specs, randomStream(1, 'model', 'init'))
  t.strictSame(Object.keys(arrays), ['b2', 'W1'])
  t.strictSame([...arrays.b2!, ...arrays.W1!], first)
  t.strictSame(initialArrays('normal', [], random), {})
  t.end()
})

t.test('init is zeros, normal, xavier, he or a positive deviation', (t) => {
  for (const init of ['zeros', 'normal', 'xavier', 'he', { normal: 0.5 }]) t.ok(initial.safeParse(init).success)
  for (const init of ['ones', 0.01, {}, { normal: 0 }, { normal: -1 }, { normal: 1, mean: 0 }])
    t.notOk(initial.safeParse(init).success, JSON.stringify(init))
  t.end()
})
