import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { philox, type Random, randomStream, randomStreams, streamFrom } from '../../../dist/pipeline/base/random.js'

const hex = (words: Iterable<number>) => [...words].map((word) => word.toString(16).padStart(8, '0')).join(' ')
const draws = (random: Random, n: number) => Array.from({ length: n }, () => random.uint32())

t.test('philox agrees with the known answers of Random123', async (t) => {
  const all = 0xffffffff
  for (const [counter, key, answer] of [
    [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[all, all, all, all], [all, all], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ] as const) {
    const out = new Uint32Array(4)
    philox(Uint32Array.from(counter), key[0], key[1], out)
    t.equal(hex(out), answer)
  }
})

t.test('a stream is Philox with the seed as key, and a counter of block, epoch and hash of the address', async (t) => {
  const hash = createHash('sha256').update('model\0init').digest()
  const expected = [0, 1].flatMap((i) => {
    const out = new Uint32Array(4)
    philox(Uint32Array.of(i, 7, hash.readUInt32LE(0), hash.readUInt32LE(4)), 5, 1, out)
    return [...out]
  })
  t.strictSame(draws(randomStream(5 + 2 ** 32, 'model', 'init', 7), 8), expected)
})

t.test('randomStreams opens the streams of randomStream, in any order', async (t) => {
  const streams = randomStreams(5, 'model')
  for (const [purpose, epoch] of [
    ['init', 0],
    ['order', 2],
    ['order', 1],
    ['init', 0],
  ] as const)
    t.strictSame(draws(streams(purpose, epoch), 9), draws(randomStream(5, 'model', purpose, epoch), 9))
  t.strictSame(draws(streams('init'), 9), draws(randomStream(5, 'model', 'init'), 9))
})

t.test('streams with different addresses share no numbers', async (t) => {
  const addresses: [number, string, string, number?][] = [
    [1, 'a', 'b'],
    [2, 'a', 'b'],
    [1 + 2 ** 32, 'a', 'b'],
    [1, 'ab', ''],
    [1, '', 'ab'],
    [1, 'a', 'c'],
    [1, 'a', 'b', 1],
    [1, 'a', 'b', 2],
  ]
  const words = addresses.flatMap((address) => draws(randomStream(...address), 100))
  t.ok(new Set(words).size > words.length - 3)
})

t.test('a stream does not depend on other streams, nor on the order of drawing', async (t) => {
  const [a, b] = [randomStream(1, 'a', 'x'), randomStream(1, 'b', 'x')]
  const alone = draws(randomStream(1, 'a', 'x'), 50)
  const mixed = Array.from({ length: 50 }, () => {
    b.normal()
    b.permutation(3)
    return a.uint32()
  })
  t.strictSame(mixed, alone)
})

t.test('below stays within its bound and gives every value', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 32 }), fc.nat(), (n, seed) => {
      const value = randomStream(seed, 's', 'below').below(n)
      return Number.isInteger(value) && value >= 0 && value < n
    }),
  )
  const random = randomStream(1, 's', 'below')
  t.equal(new Set(Array.from({ length: 200 }, () => random.below(7))).size, 7)
  t.equal(random.below(1), 0)
})

t.test('below has no bias, even if the bound is three quarters of the range', async (t) => {
  // A plain remainder would give values under 2³⁰ twice as often as the others.
  const n = 3 * 2 ** 30
  const random = randomStream(1, 's', 'bias')
  const thirds = [0, 0, 0]
  for (let i = 0; i < 30_000; i++) thirds[Math.floor(random.below(n) / 2 ** 30)]!++
  // Five standard deviations of a binomial count with p = 1/3.
  for (const count of thirds) t.ok(Math.abs(count - 10_000) < 5 * Math.sqrt((30_000 * 2) / 9), String(count))
})

t.test('uniform is on [0, 1) with 53 bits, mean 1/2 and variance 1/12', async (t) => {
  const random = randomStream(3, 's', 'uniform')
  const values = Array.from({ length: 20_000 }, () => random.uniform())
  t.ok(values.every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 53)))
  t.ok(values.some((x) => !Number.isInteger(x * 2 ** 33)))
  const mean = values.reduce((a, b) => a + b) / values.length
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length
  t.ok(Math.abs(mean - 1 / 2) < 0.01, String(mean))
  t.ok(Math.abs(variance - 1 / 12) < 0.003, String(variance))
})

t.test('normal is finite, with the moments and tails of N(0, 1)', async (t) => {
  const random = randomStream(3, 's', 'normal')
  const values = Array.from({ length: 40_000 }, () => random.normal())
  t.ok(values.every(Number.isFinite))
  const moment = (k: number) => values.reduce((sum, x) => sum + x ** k, 0) / values.length
  t.ok(Math.abs(moment(1)) < 0.02)
  t.ok(Math.abs(moment(2) - 1) < 0.04)
  t.ok(Math.abs(moment(3)) < 0.1)
  t.ok(Math.abs(moment(4) - 3) < 0.3)
  // Two neighbours come from one pair of uniform draws. They must not be correlated.
  let product = 0
  for (let i = 0; i < values.length; i += 2) product += values[i]! * values[i + 1]!
  t.ok(Math.abs(product / (values.length / 2)) < 0.04)
})

t.test('permutation holds every index once, for every size', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.nat(), (n, seed) => {
      const order = randomStream(seed, 's', 'order').permutation(n)
      return (
        order.length === n &&
        order
          .slice()
          .sort()
          .every((value, i) => value === i)
      )
    }),
  )
})

t.test('permutation gives all orders equally often', async (t) => {
  const counts = new Map<string, number>()
  for (let epoch = 0; epoch < 6000; epoch++) {
    const order = randomStream(1, 's', 'order', epoch).permutation(3).join('')
    counts.set(order, (counts.get(order) ?? 0) + 1)
  }
  t.equal(counts.size, 6)
  for (const count of counts.values()) t.ok(Math.abs(count - 1000) < 5 * Math.sqrt((6000 * 5) / 36), String(count))
})

t.test('numbers out of range are refused: they would be drawn for ever, or twice', async (t) => {
  const stream = randomStream(1, 's', 'p')
  for (const n of [0, -1, 2.5, 2 ** 32 + 1, Number.NaN, Number.POSITIVE_INFINITY])
    t.throws(() => stream.below(n), new RangeError(`below: expected an integer from 1 to 4294967296, got ${n}`))
  t.ok(stream.below(2 ** 32) < 2 ** 32)
  t.equal(stream.below(1), 0)
  for (const epoch of [-1, 0.5, 2 ** 32, Number.NaN])
    t.throws(() => randomStream(1, 's', 'p', epoch), {
      name: 'RangeError',
      message: `a random stream has an epoch or step from 0 to 4294967295, got ${epoch}`,
    })
  t.ok(randomStream(1, 's', 'p', 2 ** 32 - 1).uint32() >= 0)
})

t.test('a stream ends before its numbers begin again', async (t) => {
  const stream = streamFrom(Uint32Array.of(2 ** 32 - 2, 0, 1, 2), 3, 4)
  for (let i = 0; i < 8; i++) stream.uint32()
  const message = 'a random stream has 2³⁴ numbers; open one for each epoch or step'
  for (let i = 0; i < 2; i++) t.throws(() => stream.uniform(), new RangeError(message))
})
