import { z } from 'zod'
import { type StageContext, turn } from '../../pipeline/stage-kit.js'

/** The option that divides one set of rows into splits. */
export const fractions = z
  .record(z.string(), z.number().positive().max(1))
  .refine((parts) => Object.keys(parts).length > 0 && Object.values(parts).reduce((a, b) => a + b, 0) <= 1 + 1e-9, {
    error: 'expected one fraction or more, at most 1 in all',
  })

/** The options that say how the rows are dealt into splits. */
export const dealing = {
  seed: z
    .int()
    .nonnegative()
    .optional()
    .describe('Seed of the division into splits. Default: the seed in the definition, whatever seed a run is given.'),
  stratify: z.boolean().default(false).describe('Whether every class has its share of the rows of each split.'),
}

/** How rows are dealt into splits. */
export interface Dealing {
  /** The seed of the division; undefined: that of the definition. */
  readonly seed?: number | undefined
  /** Whether every class is divided by the fractions. */
  readonly stratify: boolean
}

/**
 * Assigns rows to splits by a random permutation. Returns the row numbers of each split. If the fractions add up to 1,
 * every row is in a split. The permutation does not depend on the seed of the run. Rejects when the run is stopped.
 *
 * @param labels the class of each row
 */
export async function dealRows(
  labels: ArrayLike<number>,
  parts: Readonly<Record<string, number>>,
  { seed, stratify }: Dealing,
  context: StageContext,
): Promise<Map<string, Uint32Array>> {
  const pieces = context.splitRandom(seed).permuting(labels.length)
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return stratify ? dealByClass(value, labels, parts) : deal(value, parts)
    await turn(context)
  }
}

/** The first split gets the first part of the permutation, and so on. */
export function deal(order: Uint32Array, parts: Readonly<Record<string, number>>): Map<string, Uint32Array> {
  const rows = order.length
  const splits = new Map<string, Uint32Array>()
  let sum = 0
  let from = 0
  for (const [split, fraction] of Object.entries(parts)) {
    sum += fraction
    const to = Math.min(rows, Math.round(sum * rows))
    splits.set(split, order.subarray(from, to))
    from = to
  }
  return splits
}

/**
 * Divides each class by the fractions. Of a class, a split gets its share rounded down or up: rows that are left over
 * go to the splits that lack most rows so far, counted over all classes, so that the splits have their sizes as well.
 * The rows of a split are in the order of the permutation.
 */
export function dealByClass(
  order: Uint32Array,
  labels: ArrayLike<number>,
  parts: Readonly<Record<string, number>>,
): Map<string, Uint32Array> {
  const fractions = Object.values(parts)
  // What the fractions leave over is a split of its own, which is not returned.
  const shares = [...fractions, Math.max(0, 1 - fractions.reduce((a, b) => a + b, 0))]
  const quotas = quotasOf(countsOf(labels), shares)
  const sizes = shares.map((_, split) => quotas.reduce((sum, quota) => sum + quota[split]!, 0))
  const dealt = sizes.map((size) => new Uint32Array(size))
  const filled = sizes.map(() => 0)
  for (const row of order) {
    const quota = quotas[labels[row]!]!
    const split = quota.findIndex((left) => left > 0)
    quota[split]!--
    dealt[split]![filled[split]!++] = row
  }
  return new Map(Object.keys(parts).map((split, i) => [split, dealt[i]!]))
}

/** How many rows each class has. */
function countsOf(labels: ArrayLike<number>): number[] {
  const counts: number[] = []
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!
    while (counts.length <= label) counts.push(0)
    counts[label]!++
  }
  return counts
}

/** How many rows of each class each split gets: `[class][split]`. */
function quotasOf(counts: readonly number[], shares: readonly number[]): number[][] {
  /** How many rows each split should have had so far, less those it has. */
  const lacking = shares.map(() => 0)
  return counts.map((count) => {
    const quota = shares.map((share) => Math.floor(share * count + 1e-9))
    for (const [i, share] of shares.entries()) lacking[i]! += share * count - quota[i]!
    const open = new Set(shares.keys())
    for (let left = count - quota.reduce((a, b) => a + b, 0); left > 0; left--) {
      const most = [...open].reduce((a, b) => (lacking[b]! > lacking[a]! + 1e-9 ? b : a))
      open.delete(most)
      quota[most]!++
      lacking[most]!--
    }
    return quota
  })
}
