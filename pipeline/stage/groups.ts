import type { StageContext } from './context.js'
import { turn } from './turn.js'

/** What tells the group of each row: rows with equal keys stay in one split. */
export type Keys = ArrayLike<number> | ArrayLike<string>

/** The rows of each key, in the order in which the keys first occur in `order`. */
export async function groupsIn(order: Uint32Array, keys: Keys, context: StageContext): Promise<number[][]> {
  const groups = new Map<string | number, number[]>()
  for (const [i, row] of order.entries()) {
    if (i % 8192 === 0) await turn(context)
    const key = keys[row]!
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()]
}

/**
 * Deals groups into splits of these sizes. Without classes, each group goes, in the given order, to the split that lacks
 * most rows. With classes, see `ClassPlaces`. What the sizes leave over is a split of its own, which is not returned.
 *
 * @param labels the class of each row, if every split should have its share of each class
 * @param rows the number of all rows
 */
export function dealGroups(
  groups: readonly (readonly number[])[],
  sizes: ReadonlyMap<string, number>,
  labels: ArrayLike<number> | undefined,
  rows: number,
): Map<string, Uint32Array> {
  const all = [...sizes.values()]
  all.push(rows - all.reduce((a, b) => a + b, 0))
  const places = labels ? new ClassPlaces(all, labels) : new Places(all)
  const dealt = all.map((): number[] => [])
  for (const group of labels ? largestFirst(groups) : groups) {
    const to = dealt[places.take(group)]!
    for (const row of group) to.push(row)
  }
  return new Map([...sizes.keys()].map((name, i) => [name, Uint32Array.from(dealt[i]!)]))
}

/** Groups by their number of rows. Groups of one size stay in their order. */
export function largestFirst(groups: readonly (readonly number[])[]): (readonly number[])[] {
  return groups.toSorted((a, b) => b.length - a.length)
}

/** Splits that lack rows. */
class Places {
  private readonly lacking: number[]

  constructor(sizes: readonly number[]) {
    this.lacking = [...sizes]
  }

  /** Gives a group to the split that lacks most rows. Returns the number of the split. */
  take({ length }: readonly number[]): number {
    let most = 0
    for (let i = 1; i < this.lacking.length; i++) if (this.lacking[i]! > this.lacking[most]!) most = i
    this.lacking[most]! -= length
    return most
  }
}

/**
 * Splits that lack rows of each class. A group goes to the split that lacks most of its classes: every row of the group
 * counts by the rows of its class that the split lacks, as a part of all rows of the class, so that rare classes count as
 * much as others. This greedy choice makes the sum of the squared deviations (of the parts of each class that each split
 * has from those that it should have) as small as the one group can. Of equal splits it takes the one that lacks most rows.
 */
export class ClassPlaces {
  private readonly labels: ArrayLike<number>
  private readonly counts: number[] = []
  /** By split and class: the rows that are lacking. The class of an unknown label is 0, class `c` is `c + 1`. */
  private readonly lacking: number[][]

  /** @param sizes the rows of each split; together all rows */
  constructor(sizes: readonly number[], labels: ArrayLike<number>) {
    this.labels = labels
    for (let row = 0; row < labels.length; row++) {
      const at = labels[row]! + 1
      while (this.counts.length <= at) this.counts.push(0)
      this.counts[at]!++
    }
    this.lacking = sizes.map((size) => this.counts.map((count) => (size * count) / labels.length))
  }

  /** Gives a group to a split. Returns the number of the split. */
  take(group: readonly number[]): number {
    const own = new Map<number, number>()
    for (const row of group) {
      const at = this.labels[row]! + 1
      own.set(at, (own.get(at) ?? 0) + 1)
    }
    let best = 0
    let [most, mostRows] = [Number.NEGATIVE_INFINITY, 0]
    for (const [split, lacking] of this.lacking.entries()) {
      let sum = 0
      for (const [at, count] of own) sum += (count * lacking[at]!) / this.counts[at]! ** 2
      const rows = lacking.reduce((a, b) => a + b, 0)
      if (sum > most || (sum === most && rows > mostRows)) [best, most, mostRows] = [split, sum, rows]
    }
    for (const [at, count] of own) this.lacking[best]![at]! -= count
    return best
  }
}
