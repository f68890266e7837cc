import { z } from 'zod'
import type { Random } from '../../pipeline/stage-kit.js'

/** The option that divides one set of rows into splits. */
export const fractions = z
  .record(z.string(), z.number().positive().max(1))
  .refine((parts) => Object.keys(parts).length > 0 && Object.values(parts).reduce((a, b) => a + b, 0) <= 1 + 1e-9, {
    error: 'expected one fraction or more, at most 1 in all',
  })

/**
 * Assigns `rows` rows to splits by a random permutation: the first split gets its first part, and so on. Returns the
 * row numbers of each split. If the fractions add up to 1, every row is in a split.
 */
export function deal(rows: number, parts: Readonly<Record<string, number>>, random: Random): Map<string, Uint32Array> {
  const order = random.permutation(rows)
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
