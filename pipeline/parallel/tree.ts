import type { Vector } from '../stage/parallel-contract.js'

/** The shards `from … to - 1`: those of a rank, or of a node in the tree of a sum. */
export interface Span {
  /** The first shard. */
  readonly from: number
  /** The shard after the last one. */
  readonly to: number
}

/** Returns the shards of a rank: shard `s` belongs to rank `floor(s * ranks / shards)`. */
export function spanOf(rank: number, ranks: number, shards: number): Span {
  return { from: Math.ceil((rank * shards) / ranks), to: Math.ceil(((rank + 1) * shards) / ranks) }
}

/** Splits a span of two or more shards. The first part has the largest power of two of shards that is less than all. */
function split({ from, to }: Span): [Span, Span] {
  const middle = from + 2 ** Math.ceil(Math.log2(to - from) - 1)
  return [
    { from, to: middle },
    { from: middle, to },
  ]
}

/**
 * Returns the largest subtrees of the sum that lie within `own`, in order. There is only one if the number of ranks is
 * a power of two that divides the number of shards: each rank then sends one vector, however many shards it has.
 */
export function subtrees(own: Span, shards: number): Span[] {
  const found: Span[] = []
  const visit = (node: Span): void => {
    if (node.to <= own.from || node.from >= own.to) return
    if (node.from >= own.from && node.to <= own.to) found.push(node)
    else for (const part of split(node)) visit(part)
  }
  visit({ from: 0, to: shards })
  return found
}

/** Elements added at a time: blocks of eight vectors fit the first-level cache. */
const BLOCK = 1024

/**
 * Adds vectors pairwise, in a binary tree over the shards. The form of the tree depends on the number of shards alone,
 * so the bits of the sum do not depend on which rank adds which vectors. Overwrites vectors, and returns the one that
 * holds the sum.
 *
 * @param vectorOf returns the vector of a subtree whose sum is known, and undefined for others
 */
export function addUp<V extends Vector>(node: Span, vectorOf: (node: Span) => V | undefined): V {
  const additions: [V, V][] = []
  const sum = planAdditions(node, vectorOf, additions)
  for (let from = 0; from < sum.length; from += BLOCK) {
    const to = Math.min(sum.length, from + BLOCK)
    for (const [first, second] of additions) for (let i = from; i < to; i++) first[i]! += second[i]!
  }
  return sum
}

/** Lists the additions of a subtree in order; returns the vector that holds its sum after them. */
function planAdditions<V extends Vector>(node: Span, vectorOf: (node: Span) => V | undefined, additions: [V, V][]): V {
  const known = vectorOf(node)
  if (known) return known
  const [first, second] = split(node).map((part) => planAdditions(part, vectorOf, additions)) as [V, V]
  additions.push([first, second])
  return first
}
