import type { Table } from 'apache-arrow'
import { defer, type MonoTypeOperatorFunction, tap } from 'rxjs'
import { endsEpoch, kernelRows, layoutOf, positionOf, type StageContext } from '../../pipeline/stage-kit.js'

/** The rows that a batch must have, and how many batches there must be, before anything is said of them. */
const LEAST = { rows: 4, batches: 4 }

/** The most batches that are looked at, spread over the epoch. */
const MOST = 1000

/** Looks at the labels of some batches of an epoch, and keeps no batch. */
class LabelLook {
  private counts: number[] = []
  /** Number of rows of each batch. */
  private readonly sizes: number[] = []
  private rows = 0
  private single = 0
  /** Sum of the shares that the most frequent class has in each batch. */
  private most = 0

  /** Looks at a batch, unless enough others of the epoch are looked at. */
  see(batch: Table): void {
    const { step, steps } = positionOf(batch)
    if ((step - 1) % Math.ceil(steps / MOST) !== 0) return
    const { labels } = kernelRows(batch)
    if (labels.length < LEAST.rows) return
    const own = layoutOf(batch).classes.map(() => 0)
    if (this.sizes.length === 0) this.counts = own.slice()
    for (const label of labels) if (label >= 0) own[label]!++
    for (const [c, count] of own.entries()) this.counts[c]! += count
    this.sizes.push(labels.length)
    this.rows += labels.length
    const most = Math.max(...own)
    if (most === labels.length || labels.every((label) => label < 0)) this.single++
    this.most += most / labels.length
  }

  /**
   * Returns a remark if most batches hold rows of one class only, far more than by chance: the rows are sorted by their label,
   * and the stage leaves them in their batches. Training then swings from class to class.
   */
  unmixed(): string | undefined {
    const { single, sizes } = this
    if (sizes.length < LEAST.batches) return undefined
    const chance = this.mean((size) => this.shares().reduce((sum, share) => sum + share ** size, 0))
    const share = single / sizes.length
    if (share < 0.5 || share < chance + 0.3) return undefined
    return (
      `${single} of ${sizes.length} batches hold rows of one class only: the rows are sorted by label, and this stage does ` +
      'not mix them; shuffle/rows does'
    )
  }

  /** Returns a remark if one class has far more rows of a batch than by chance, on average: too few rows are mixed. */
  hardlyMixed(rows: number): string | undefined {
    if (this.sizes.length < LEAST.batches) return undefined
    const top = Math.max(...this.shares())
    const chance = this.mean((size) => Math.min(1, top + 2 * Math.sqrt((top * (1 - top)) / size)))
    const share = this.most / this.sizes.length
    if (share < chance + 0.3) return undefined
    return (
      `one class has ${Math.round(100 * share)} % of the rows of a batch on average, and ${Math.round(100 * top)} % of all rows at ` +
      `most: the rows are sorted by label, and a buffer of ${rows} rows hardly mixes them; give a larger size, or take shuffle/rows`
    )
  }

  /** The shares of the classes of all rows. */
  private shares(): number[] {
    return this.counts.map((count) => count / this.rows)
  }

  private mean(of: (size: number) => number): number {
    return this.sizes.reduce((sum, size) => sum + of(size), 0) / this.sizes.length
  }
}

/** Adds the remark of `LabelLook.unmixed` on the batches of an epoch, if there is one. */
export function noteSorted(batches: readonly Table[], { note }: Pick<StageContext, 'note'>): void {
  const look = new LabelLook()
  for (const batch of batches) look.see(batch)
  const remark = look.unmixed()
  if (remark !== undefined) note(remark)
}

/**
 * Passes batches on, looks at those of the first epoch, and adds a note if there is something to say of them. A rank of a
 * divided run has only some of the rows, and looks at none.
 */
export function lookingAt(
  context: Pick<StageContext, 'note' | 'parallel'>,
  remarkOf: (look: LabelLook) => string | undefined,
): MonoTypeOperatorFunction<Table> {
  return (batches) =>
    defer(() => {
      let look = context.parallel.isDivided ? undefined : new LabelLook()
      return batches.pipe(
        tap((batch) => {
          if (!look) return
          look.see(batch)
          if (!endsEpoch(positionOf(batch))) return
          const remark = remarkOf(look)
          if (remark !== undefined) context.note(remark)
          look = undefined
        }),
      )
    })
}
