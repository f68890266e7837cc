import t from 'tap'
import { addUp, spanOf, subtrees } from '../../../dist/pipeline/parallel/tree.js'

t.test('the shards of the ranks are contiguous, all there, and as the formula says', async (t) => {
  for (const [ranks, shards] of [
    [1, 8],
    [3, 8],
    [4, 4],
    [5, 13],
  ] as const) {
    const owners = Array.from({ length: ranks }, (_, rank) => spanOf(rank, ranks, shards)).flatMap(
      ({ from, to }, rank) => Array.from({ length: to - from }, () => rank),
    )
    t.strictSame(
      owners,
      Array.from({ length: shards }, (_, shard) => Math.floor((shard * ranks) / shards)),
      `${ranks} ranks, ${shards} shards`,
    )
  }
})

t.test('a rank of a power of two sends one subtree, others a few', async (t) => {
  t.strictSame(subtrees(spanOf(1, 2, 8), 8), [{ from: 4, to: 8 }])
  t.strictSame(subtrees(spanOf(1, 3, 8), 8), [
    { from: 3, to: 4 },
    { from: 4, to: 6 },
  ])
  t.strictSame(subtrees({ from: 0, to: 5 }, 5), [{ from: 0, to: 5 }])
})

/** Numbers whose sum depends on the order in which they are added. */
const wild = (length: number, shard: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(12.9898 * (i + 1) * (shard + 1)) * 10 ** ((i + 3 * shard) % 9))

t.test('the bits of the sum do not depend on who adds what', async (t) => {
  for (const shards of [1, 2, 5, 8, 13]) {
    const leaf = ({ from, to }: { from: number; to: number }) => (to - from === 1 ? wild(3000, from) : undefined)
    const whole = addUp({ from: 0, to: shards }, leaf)
    for (let ranks = 1; ranks <= shards; ranks++) {
      const known = new Map<string, Float32Array>()
      for (let rank = 0; rank < ranks; rank++)
        for (const span of subtrees(spanOf(rank, ranks, shards), shards))
          known.set(`${span.from} ${span.to}`, addUp(span, leaf))
      const sum = addUp({ from: 0, to: shards }, ({ from, to }) => known.get(`${from} ${to}`))
      t.strictSame(Buffer.from(sum.buffer), Buffer.from(whole.buffer), `${shards} shards, ${ranks} ranks`)
    }
  }
})
