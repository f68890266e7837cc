import t from 'tap'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { initialParameters } from '../../../dist/stages/gradient-step/initial.js'

type Init = Parameters<typeof initialParameters>[0]

const draw = (init: Init, seed = 1) => initialParameters(init, 3000, 10, randomStream(seed, 'model', 'init'))
const deviation = (xs: Float64Array) => Math.sqrt(xs.reduce((sum, x) => sum + x * x, 0) / xs.length)

t.test('zeros are zeros', (t) => {
  const { W, b } = draw('zeros')
  t.strictSame([W.length, b.length], [30000, 10])
  t.ok([...W, ...b].every((x) => x === 0))
  t.end()
})

t.test('normal has mean 0 and the deviation it is told, 0.01 by default', (t) => {
  for (const [init, sigma] of [
    ['normal', 0.01],
    [{ normal: 2 }, 2],
  ] as [Init, number][]) {
    const { W, b } = draw(init)
    t.ok(Math.abs(deviation(W) / sigma - 1) < 0.02)
    t.ok(Math.abs(W.reduce((sum, x) => sum + x, 0) / W.length / sigma) < 0.02)
    t.ok(
      b.every((x) => x !== 0 && Math.abs(x) < 5 * sigma),
      'b is drawn from the same law',
    )
  }
  t.end()
})

t.test('xavier is uniform on ±√(6 / (features + classes)), with b zero', (t) => {
  const { W, b } = draw('xavier')
  const limit = Math.sqrt(6 / 3010)
  t.ok(W.every((x) => Math.abs(x) <= limit))
  t.ok(Math.abs(deviation(W) / (limit / Math.sqrt(3)) - 1) < 0.02)
  t.ok(W.reduce((most, x) => Math.max(most, x), 0) > 0.99 * limit)
  t.ok(b.every((x) => x === 0))
  t.end()
})

t.test('the draw depends on the stream alone, and takes W first', (t) => {
  const bytes = (seed: number) => Buffer.from(draw('normal', seed).W.buffer)
  t.ok(bytes(1).equals(bytes(1)))
  t.notOk(bytes(1).equals(bytes(2)))
  const random = randomStream(1, 'model', 'init')
  const first = Array.from({ length: 6 }, () => 0.01 * random.normal())
  const { W, b } = initialParameters('normal', 2, 2, randomStream(1, 'model', 'init'))
  t.strictSame([...W, ...b], first)
  t.end()
})
