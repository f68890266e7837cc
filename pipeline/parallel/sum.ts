import type { Vector } from '../stage/parallel-contract.js'
import type { Comm } from './comm.js'
import { addUp, type Span, spanOf, subtrees } from './tree.js'

/**
 * Vectors of at least this many bytes are added in slices, one slice on each rank. Each rank then sends and adds less,
 * but a second exchange is needed to share the slices.
 */
const MIN_SLICED_BYTES = 32 * 1024

/**
 * Returns a function that sums vectors over the shards of all ranks, in the order of `addUp`: the bits of the sum do
 * not depend on the number of ranks. A rank first adds the vectors of its own shards as far as the tree allows, and
 * sends the sums of its subtrees: usually one vector.
 */
export function orderedSum(comm: Comm, channel: number, shards: number) {
  const { rank, size } = comm
  const whole: Span = { from: 0, to: shards }
  const spans = Array.from({ length: size }, (_, r) => subtrees(spanOf(r, size, shards), shards))
  const own = spanOf(rank, size, shards)
  const memory = new Map<string, Uint8Array>()

  /** Returns memory for one purpose. It is allocated once and used again by later sums. */
  function buffer(purpose: string, bytes: number): Uint8Array {
    const known = memory.get(purpose)
    if (known?.length === bytes) return known
    const made = new Uint8Array(bytes)
    memory.set(purpose, made)
    return made
  }

  return async <V extends Vector>(vectors: readonly V[]): Promise<V> => {
    const sums = spans[rank]!.map((span) =>
      addUp(span, ({ from, to }) => (to - from === 1 ? vectors[from - own.from] : undefined)),
    )
    if (size === 1) return sums[0]!
    const Numbers = sums[0]!.constructor as new (memory: ArrayBufferLike, offset: number, length: number) => V
    const { length, BYTES_PER_ELEMENT: width } = sums[0]!
    const isSliced = length * width >= MIN_SLICED_BYTES
    const sliceOf = (r: number): Span =>
      isSliced
        ? { from: Math.floor((r * length) / size), to: Math.floor(((r + 1) * length) / size) }
        : { from: 0, to: length }

    const ownSlice = sliceOf(rank)
    const count = ownSlice.to - ownSlice.from
    const incoming = spans.map((theirs, r) =>
      r === rank ? new Uint8Array(0) : buffer(`from ${r}`, theirs.length * count * width),
    )
    const outgoing = spans.map((_, r) => {
      const { from, to } = sliceOf(r)
      if (r === rank) return incoming[r]!
      if (sums.length === 1) return bytesOf(sums[0]!.subarray(from, to) as V)
      const joined = buffer(`to ${isSliced ? r : 'all'}`, sums.length * (to - from) * width)
      for (const [i, sum] of sums.entries()) joined.set(bytesOf(sum.subarray(from, to) as V), i * (to - from) * width)
      return joined
    })
    await comm.exchange(channel, outgoing, incoming)

    const known = new Map<string, V>()
    for (const [r, theirs] of spans.entries())
      for (const [i, { from, to }] of theirs.entries()) {
        const vector =
          r === rank
            ? (sums[i]!.subarray(ownSlice.from, ownSlice.to) as V)
            : new Numbers(incoming[r]!.buffer, incoming[r]!.byteOffset + i * count * width, count)
        known.set(`${from} ${to}`, vector)
      }
    const added = addUp(whole, ({ from, to }) => known.get(`${from} ${to}`))
    if (!isSliced) return added

    const result = buffer('result', length * width)
    const slices = spans.map((_, r) => result.subarray(sliceOf(r).from * width, sliceOf(r).to * width))
    slices[rank]!.set(bytesOf(added))
    await comm.exchange(
      channel,
      slices.map(() => slices[rank]!),
      slices,
    )
    return new Numbers(result.buffer, result.byteOffset, length)
  }
}

function bytesOf(vector: Vector): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}
