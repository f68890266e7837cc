import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import { hashOfText } from '../base/hash.js'
import { listed } from '../base/words.js'
import type { StageContext } from './context.js'
import { dealGroups, groupsIn, type Keys } from './groups.js'
import { quotasOf } from './quotas.js'
import { turn } from './turn.js'

/** How many rows a split gets: a share (at most 1), a number of rows (2 or more), or what the others leave over. */
export type Part = number | 'rest'

const isShare = (part: Part): boolean => part !== 'rest' && part <= 1

/** The option that divides one set of rows into splits. */
export const fractions = z
  .record(z.string().min(1), z.union([z.number().positive().max(1), z.int().min(2), z.literal('rest')]))
  .refine((parts) => Object.keys(parts).length > 0 && sumOfShares(parts) <= 1 + 1e-9, {
    error: 'expected one fraction or more, at most 1 in all',
  })
  .refine((parts) => Object.values(parts).filter((part) => part === 'rest').length <= 1, {
    error: 'expected at most one split that gets the rest',
  })

function sumOfShares(parts: Readonly<Record<string, Part>>): number {
  return Object.values(parts).reduce((sum: number, part) => (isShare(part) ? sum + Number(part) : sum), 0)
}

/** What the values of `fractions` mean, for the descriptions of options. */
export const partsMeaning =
  'a share of the rows (0.2; 1 for all), a number of rows (2 or more), or `rest`: what the others leave over'

/** The options that say how the rows are dealt into splits. All stages that divide rows have them. */
export const dealing = {
  seed: z
    .int()
    .nonnegative()
    .optional()
    .describe('Seed of the division into splits. Default: the seed in the definition, whatever seed a run is given.'),
  stratify: z.boolean().default(false).describe('Whether every class has its share of the rows of each split.'),
  assign: z
    .enum(['random', 'order'])
    .optional()
    .describe(
      'How rows are assigned: `random`, by a seeded permutation (the default), or `order`: the first split gets the first ' +
        'rows, the last one the last.',
    ),
}

/** How rows are dealt into splits. */
export interface Dealing {
  /** The seed of the division; undefined: that of the definition. */
  readonly seed?: number | undefined
  /** Whether every class is divided by the fractions. */
  readonly stratify: boolean
  /** `random` (default), `order`, or `hash`: by the key of each row, so that a row keeps its split when others come. */
  readonly assign?: 'random' | 'order' | 'hash' | undefined
}

/**
 * Returns what is wrong with options that divide rows, as far as it is known before data is read, and the option at fault.
 *
 * @param isGrouped whether rows come in groups that stay together
 */
export function dealingProblem(
  parts: Readonly<Record<string, Part>> | undefined,
  { assign = 'random', stratify }: Dealing,
  isGrouped: boolean,
): { readonly path: string; readonly message: string } | undefined {
  const count = Object.entries(parts ?? {}).find(([, part]) => part !== 'rest' && part > 1)
  if (assign === 'hash' && count)
    return {
      path: `fractions.${count[0]}`,
      message: `a hash deals by shares of the rows, expected a number above 0 and at most 1, got ${count[1]}`,
    }
  if (stratify && assign === 'hash')
    return { path: 'stratify', message: 'a hash does not know the classes; leave stratify out' }
  if (isGrouped && assign === 'order')
    return { path: 'assign', message: 'groups are assigned at random or by hash, and not in the order of the rows' }
  return undefined
}

/**
 * Assigns rows to splits. Returns the row numbers of each split. If the fractions add up to 1, every row is in a split. The
 * assignment does not depend on the seed of the run. At random, the rows of a split are in the order of the permutation;
 * else in their own order. Rejects when the run is stopped; throws a PipelineError `DATA` if there are too few rows.
 *
 * @param labels the class of each row; rows with an unknown class (-1) count as a class of their own
 * @param keys the group of each row: at random, rows of a group stay together; by hash, the key says where they go
 */
export async function dealRows(
  labels: ArrayLike<number>,
  parts: Readonly<Record<string, Part>>,
  { seed, stratify, assign = 'random' }: Dealing,
  context: StageContext,
  keys?: Keys,
): Promise<Map<string, Uint32Array>> {
  const rows = labels.length
  if (assign === 'hash') return dealByHash(await hashesOf(keys, rows, seed, context), parts)
  const sizes = splitSizes(parts, rows)
  if (assign === 'order') {
    const order = new Uint32Array(rows)
    for (let i = 0; i < rows; i++) order[i] = i
    return stratify ? dealByClass(order, labels, sharesOf(sizes, parts, rows)) : cut(order, sizes)
  }
  const order = await permuted(rows, seed, context)
  if (keys) return dealGroups(await groupsIn(order, keys, context), sizes, stratify ? labels : undefined, rows)
  return stratify ? dealByClass(order, labels, sharesOf(sizes, parts, rows)) : cut(order, sizes)
}

/** Deals rows into splits of these shares: the first split gets the first part of the order, and so on. */
export function deal(order: Uint32Array, parts: Readonly<Record<string, Part>>): Map<string, Uint32Array> {
  return cut(order, splitSizes(parts, order.length))
}

/** The rows in the order of the seeded permutation. */
export async function permuted(rows: number, seed: number | undefined, context: StageContext): Promise<Uint32Array> {
  const pieces = context.splitRandom(seed).permuting(rows)
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
    await turn(context)
  }
}

/** The number of rows of each split, of `rows` rows. Shares are rounded so that they add up. Throws a PipelineError `DATA` if there are too few. */
export function splitSizes(parts: Readonly<Record<string, Part>>, rows: number): Map<string, number> {
  const sizes = new Map<string, number>()
  let [sum, from, counted] = [0, 0, 0]
  for (const [split, part] of Object.entries(parts)) {
    if (part === 'rest') sizes.set(split, 0)
    else if (isShare(part)) {
      sum += Number(part)
      const to = Math.min(rows, Math.round(sum * rows))
      sizes.set(split, to - from)
      from = to
    } else {
      sizes.set(split, part)
      counted += part
    }
  }
  if (from + counted > rows)
    throw new PipelineError(
      'DATA',
      `the splits ${listed(
        [...sizes].map(([split, size]) => `${split} (${size})`),
        'and',
      )} need ${from + counted} rows, ` + `there are ${rows}; ask for fewer`,
    )
  const rest = Object.keys(parts).find((split) => parts[split] === 'rest')
  if (rest !== undefined) sizes.set(rest, rows - from - counted)
  return sizes
}

/** The shares of the splits: as they were given, or from their sizes. */
function sharesOf(
  sizes: ReadonlyMap<string, number>,
  parts: Readonly<Record<string, Part>>,
  rows: number,
): Record<string, number> {
  return Object.fromEntries(
    [...sizes].map(([split, size]) => {
      const part = parts[split]!
      return [split, isShare(part) ? Number(part) : rows === 0 ? 0 : size / rows]
    }),
  )
}

function cut(order: Uint32Array, sizes: ReadonlyMap<string, number>): Map<string, Uint32Array> {
  let at = 0
  return new Map(
    [...sizes].map(([split, size]) => {
      const from = at
      at += size
      return [split, order.subarray(from, at)]
    }),
  )
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
  const quotas = quotasOf(labels, shares)
  const sizes = shares.map((_, split) => quotas.reduce((sum, quota) => sum + quota[split]!, 0))
  const dealt = sizes.map((size) => new Uint32Array(size))
  const filled = sizes.map(() => 0)
  for (const row of order) {
    const quota = quotas[labels[row]! + 1]!
    const split = quota.findIndex((left) => left > 0)
    quota[split]!--
    dealt[split]![filled[split]!++] = row
  }
  return new Map(Object.keys(parts).map((split, i) => [split, dealt[i]!]))
}

/** A number from 0 to below 1 for each row, from its key and the seed alone. */
export async function hashesOf(
  keys: Keys | undefined,
  rows: number,
  seed: number | undefined,
  context: StageContext,
): Promise<Float64Array> {
  if (!keys) throw new TypeError('dealRows: assign: hash needs the keys of the rows')
  const hashes = new Float64Array(rows)
  // The same for all runs of a definition, whatever seed a run is given.
  const salt = context.splitRandom(seed).uint32()
  for (let i = 0; i < rows; i++) {
    hashes[i] = hashOfText(String(keys[i]), salt) / 2 ** 53
    if (i % 4096 === 0) await turn(context)
  }
  return hashes
}

function dealByHash(hashes: Float64Array, parts: Readonly<Record<string, Part>>): Map<string, Uint32Array> {
  const shares = sumOfShares(parts)
  const ends: number[] = []
  let sum = 0
  for (const part of Object.values(parts)) {
    sum += part === 'rest' ? Math.max(0, 1 - shares) : part
    ends.push(Math.min(1, sum + 1e-12))
  }
  const dealt = ends.map((): number[] => [])
  for (const [row, hash] of hashes.entries()) {
    const split = ends.findIndex((end) => hash < end)
    if (split >= 0) dealt[split]!.push(row)
  }
  return new Map(Object.keys(parts).map((split, i) => [split, Uint32Array.from(dealt[i]!)]))
}
