import { z } from 'zod'
import { PipelineError } from '../base/errors.js'
import type { StageContext } from './context.js'
import { type Dealing, hashesOf, permuted } from './dealing.js'
import { ClassPlaces, groupsIn, type Keys, largestFirst } from './groups.js'

/** The options that hold out one fold of a cross-validation. */
export const folding = {
  folds: z
    .int()
    .min(2)
    .optional()
    .describe('How many folds of equal size the rows are divided into, for cross-validation. One of them is held out.'),
  fold: z.int().positive().default(1).describe('Which fold is held out, from 1 to `folds`.'),
  to: z
    .string()
    .min(1)
    .default('validation')
    .describe('The name of the fold that is held out. The other folds together keep the name of the divided split.'),
}

/** The values of the options that hold out a fold. */
export type Folding = z.output<z.ZodObject<typeof folding>>

/** Reports what is wrong with the options of folds before data is read. */
export function checkFolds(
  { folds, fold, to }: Folding,
  split: string,
  problem: (path: string, message: string) => void,
): void {
  if (folds === undefined) return
  if (fold > folds) problem('fold', `expected a fold from 1 to ${folds}, got ${fold}`)
  if (to === split) problem('to', `expected another name than that of the split that is divided, got "${to}"`)
}

/** Rows in two parts: those of the fold that is held out, and the others. Both are in their order. */
export async function holdOut(
  labels: ArrayLike<number>,
  folds: number,
  fold: number,
  dealing: Dealing,
  context: StageContext,
  keys?: Keys,
): Promise<{ readonly kept: Uint32Array; readonly held: Uint32Array }> {
  const foldOf = await dealFolds(labels, folds, dealing, context, keys)
  const count = foldOf.reduce((sum, each) => sum + Number(each === fold - 1), 0)
  const [kept, held] = [new Uint32Array(labels.length - count), new Uint32Array(count)]
  let [atKept, atHeld] = [0, 0]
  for (const [row, each] of foldOf.entries())
    if (each === fold - 1) held[atHeld++] = row
    else kept[atKept++] = row
  return { kept, held }
}

/**
 * Deals rows into folds of equal size, for cross-validation. Returns the fold of each row, from 0. Throws a PipelineError
 * `DATA` if there are fewer rows (or groups) than folds.
 *
 * With `stratify`, the folds also have equal numbers of each class, as far as groups allow it. Groups go, the largest
 * first, to the fold that has the fewest rows so far, or the fewest of their classes.
 */
async function dealFolds(
  labels: ArrayLike<number>,
  folds: number,
  { seed, stratify, assign = 'random' }: Dealing,
  context: StageContext,
  keys?: Keys,
): Promise<Int32Array> {
  const rows = labels.length
  const foldOf = new Int32Array(rows)
  const tooFew = (found: number, what: string): PipelineError =>
    new PipelineError('DATA', `folds: ${folds} folds need ${folds} ${what} or more, there are ${found}`)
  if (rows < folds) throw tooFew(rows, 'rows')
  if (assign === 'hash') {
    const hashes = await hashesOf(keys, rows, seed, context)
    return foldOf.map((_, row) => Math.min(folds - 1, Math.floor(hashes[row]! * folds)))
  }
  if (assign === 'order' && !stratify) return foldOf.map((_, row) => Math.floor((row * folds) / rows))
  const order = assign === 'order' ? Uint32Array.from(foldOf, (_, i) => i) : await permuted(rows, seed, context)
  if (keys) {
    const groups = largestFirst(await groupsIn(order, keys, context))
    if (groups.length < folds) throw tooFew(groups.length, 'groups')
    const sizes = new Array<number>(folds).fill(0)
    const places = stratify
      ? new ClassPlaces(
          sizes.map(() => rows / folds),
          labels,
        )
      : undefined
    for (const group of groups) {
      const fold = places ? places.take(group) : sizes.indexOf(Math.min(...sizes))
      sizes[fold]! += group.length
      for (const row of group) foldOf[row] = fold
    }
    return foldOf
  }
  // Class after class, each row gets the next fold: so neither a class nor a fold has more than one row too many.
  const sorted = stratify ? byClass(order, labels) : order
  for (const [i, row] of sorted.entries()) foldOf[row] = i % folds
  return foldOf
}

/** The rows class after class, those of a class in their order. */
function byClass(order: Uint32Array, labels: ArrayLike<number>): Uint32Array {
  const starts: number[] = []
  for (const row of order) {
    const next = labels[row]! + 2
    while (starts.length <= next) starts.push(0)
    starts[next]!++
  }
  for (let c = 1; c < starts.length; c++) starts[c]! += starts[c - 1]!
  const sorted = new Uint32Array(order.length)
  for (const row of order) sorted[starts[labels[row]! + 1]!++] = row
  return sorted
}
