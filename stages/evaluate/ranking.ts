import type { Parallel } from '../../pipeline/stage-kit.js'
import type { ScoredRow } from './scored-rows.js'

/** Most values that are sorted at once: it takes about 5 ms, then the event loop may have a turn. */
const BLOCK = 65_536

/**
 * How sure a model is of each class, for all rows of a part: `labels`, then the values of class 0 for each row, those of
 * class 1, and so on, in blocks of `most` numbers; the number of rows comes first. All parts of a split have the same
 * `most`, so that ranks can exchange them.
 */
export interface Ranking {
  /** The numbers, `1 + (1 + classes) · most` of them. */
  readonly values: Float64Array
  /** Adds a row. */
  add(row: ScoredRow): void
}

/** Makes room for a part of at most `most` rows. */
export function emptyRanking(most: number, classes: number, isLogits: boolean): Ranking {
  const values = new Float64Array(1 + (1 + classes) * most)
  const odds = new Float64Array(classes)
  return {
    values,
    add: (row) => {
      const at = 1 + values[0]!++
      if (isLogits) writeLogOdds(row, odds)
      const sure = isLogits ? odds : row.scores
      values[at] = row.label
      for (let k = 0; k < classes; k++) values[at + (1 + k) * most] = sure[k]!
    },
  }
}

/**
 * Writes `log (p_k / (1 - p_k)) = s_k - log Σ_(c ≠ k) exp(s_c)` of each class: the same order as `p_k`, but probabilities
 * near 1 are not rounded to equal numbers. The sums without one class are made of those before and behind it, because a
 * difference of sums would be rounded.
 */
function writeLogOdds({ scores, predicted }: ScoredRow, odds: Float64Array): void {
  const largest = scores[predicted]!
  let second = Number.NEGATIVE_INFINITY
  let sum = 0
  for (let k = 0; k < scores.length; k++) {
    odds[k] = sum
    sum += Math.exp(scores[k]! - largest)
    if (k !== predicted && scores[k]! > second) second = scores[k]!
  }
  let behind = 0
  for (let k = scores.length - 1; k >= 0; k--) {
    odds[k] = scores[k]! - largest - Math.log(odds[k]! + behind)
    behind += Math.exp(scores[k]! - largest)
  }
  // Relative to the largest score, all others may be too small for a number.
  let others = 0
  for (let k = 0; k < scores.length; k++) if (k !== predicted) others += Math.exp(scores[k]! - second)
  odds[predicted] = largest - second - Math.log(others)
}

/** The most rows that a part of a split has, on all ranks. */
export async function mostRows(parts: readonly { readonly count: number }[], parallel: Parallel): Promise<number> {
  const counts = await parallel.gather(parts.map(({ count }) => Float64Array.of(count)))
  return Math.max(...counts.map(([count]) => count!))
}

/**
 * The area under the ROC curve of each class against all others, averaged over the classes that have rows and leave
 * some to others. The area is the share of pairs of a row of the class and another row in which the first is ranked
 * higher; equal values count one half (J. Hanley, B. McNeil, 1982). NaN if a value is, or no class counts.
 *
 * Pairs are counted and not summed up as areas, so the result is exact, and the order of the rows does not matter.
 */
export async function macroAuc(
  rankings: readonly Float64Array[],
  classes: number,
  pause: () => Promise<void> | undefined,
): Promise<number> {
  const areas: number[] = []
  for (let k = 0; k < classes; k++) {
    const [own, others] = divided(rankings, classes, k)
    if (hasNaN(own) || hasNaN(others)) return Number.NaN
    if (own.length === 0 || others.length === 0) continue
    let pairs = 0
    const [first, second] = [await sortedBlocks(own, pause), await sortedBlocks(others, pause)]
    for (const a of first)
      for (const b of second) {
        pairs += rankedHigher(a, b)
        const wait = pause()
        if (wait) await wait
      }
    areas.push(pairs / (own.length * others.length))
  }
  return areas.reduce((sum, area) => sum + area, 0) / areas.length
}

/** The values of class `k`: of the rows that have it, and of all others. */
function divided(rankings: readonly Float64Array[], classes: number, k: number): [Float64Array, Float64Array] {
  let [ownCount, count] = [0, 0]
  for (const ranking of rankings) {
    count += ranking[0]!
    for (let i = 1; i <= ranking[0]!; i++) if (ranking[i] === k) ownCount++
  }
  const own = new Float64Array(ownCount)
  const others = new Float64Array(count - ownCount)
  let [atOwn, atOthers] = [0, 0]
  for (const ranking of rankings) {
    const most = (ranking.length - 1) / (1 + classes)
    for (let i = 1; i <= ranking[0]!; i++) {
      const value = ranking[i + (1 + k) * most]!
      if (ranking[i] === k) own[atOwn++] = value
      else others[atOthers++] = value
    }
  }
  return [own, others]
}

function hasNaN(values: Float64Array): boolean {
  return values.some((value) => Number.isNaN(value))
}

async function sortedBlocks(values: Float64Array, pause: () => Promise<void> | undefined): Promise<Float64Array[]> {
  const blocks: Float64Array[] = []
  for (let from = 0; from < values.length; from += BLOCK) {
    blocks.push(values.subarray(from, from + BLOCK).sort())
    const wait = pause()
    if (wait) await wait
  }
  return blocks
}

/** The number of pairs in which the value of `a` is larger, equal ones counted one half. Both must be sorted. */
function rankedHigher(a: Float64Array, b: Float64Array): number {
  let [smaller, notLarger, pairs] = [0, 0, 0]
  for (const value of a) {
    while (smaller < b.length && b[smaller]! < value) smaller++
    while (notLarger < b.length && b[notLarger]! <= value) notLarger++
    pairs += (smaller + notLarger) / 2
  }
  return pairs
}
