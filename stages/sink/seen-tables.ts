import type { Table } from 'apache-arrow'
import { z } from 'zod'
import { positionOf } from '../../pipeline/stage-kit.js'

/** Which tables a file has: their number, how many are from before the first step, and the last step. */
export const seenState = z.strictObject({
  tables: z.int().nonnegative(),
  early: z.int().nonnegative(),
  step: z.int().nonnegative(),
})

/** Counts the tables of a file that only grows, so that a resumed run writes none of them twice. */
export class SeenTables {
  /** The counts now. */
  readonly now: z.output<typeof seenState> = { tables: 0, early: 0, step: 0 }
  private saved: z.output<typeof seenState> | undefined
  /** Number of tables from before the first step that this process has seen. */
  private early = 0

  /** Takes over the counts of a checkpoint. */
  restore({ tables, early, step }: z.output<typeof seenState>): void {
    this.saved = { tables, early, step }
    Object.assign(this.now, this.saved)
  }

  /** False for a table that a resumed run has already written. */
  isNew(table: Table): boolean {
    if (!this.saved) return true
    const { step } = positionOf(table)
    return step > 0 ? step > this.saved.step : ++this.early > this.saved.early
  }

  /** Counts a table, and returns its number in the file, from 0. */
  count(table: Table): number {
    const { step } = positionOf(table)
    if (step > 0) this.now.step = step
    else this.now.early++
    return this.now.tables++
  }
}
