/** Shards `from … to - 1`. */
export interface Span {
  readonly from: number
  readonly to: number
}

export type Vector = Float32Array | Float64Array

/** The shards of a rank: `floor(shard * ranks / shards) = rank`. */
export function spanOf(rank: number, ranks: number, shards: number): Span {
  return { from: Math.ceil((rank * shards) / ranks), to: Math.ceil(((rank + 1) * shards) / ranks) }
}

/** The halves of a span: the first has the largest power of two of shards that leaves something for the second. */
function halves({ from, to }: Span): [Span, Span] {
  const middle = from + 2 ** Math.ceil(Math.log2(to - from) - 1)
  return [
    { from, to: middle },
    { from: middle, to },
  ]
}

/**
 * The largest subtrees of the sum that lie within `own`, in order. Where the ranks are a power of two that divides the
 * shards this is one: a rank then sends no more than one vector, however many shards it has.
 */
export function subtrees(own: Span, shards: number): Span[] {
  const found: Span[] = []
  const visit = (node: Span): void => {
    if (node.to <= own.from || node.from >= own.to) return
    if (node.from >= own.from && node.to <= own.to) found.push(node)
    else for (const half of halves(node)) visit(half)
  }
  visit({ from: 0, to: shards })
  return found
}

/** Elements added at a time: those of eight vectors fit the first cache. */
const BLOCK = 1024

/**
 * Adds vectors pairwise, in a binary tree over the shards whose form depends on their number alone: so the bits of the
 * sum do not depend on which rank adds what. `vectorOf` gives the vector of a subtree that is added up already.
 * Overwrites vectors, and returns the one that holds the sum.
 */
export function addUp<V extends Vector>(node: Span, vectorOf: (node: Span) => V | undefined): V {
  const additions: [V, V][] = []
  const sum = plan(node, vectorOf, additions)
  for (let from = 0; from < sum.length; from += BLOCK) {
    const to = Math.min(sum.length, from + BLOCK)
    for (const [first, second] of additions) for (let i = from; i < to; i++) first[i]! += second[i]!
  }
  return sum
}

/** Writes down what is to be added to what, in order; returns what then holds the sum. */
function plan<V extends Vector>(node: Span, vectorOf: (node: Span) => V | undefined, additions: [V, V][]): V {
  const known = vectorOf(node)
  if (known) return known
  const [first, second] = halves(node).map((half) => plan(half, vectorOf, additions)) as [V, V]
  additions.push([first, second])
  return first
}
