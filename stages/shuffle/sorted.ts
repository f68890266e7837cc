import type { Table } from 'apache-arrow'
import { kernelRows, layoutOf, type StageContext } from '../../pipeline/stage-kit.js'

/** The rows that a batch must have, and how many batches there must be, before anything is said of them. */
const LEAST = { rows: 4, batches: 4 }

/** The most batches that are looked at, spread over the epoch. */
const MOST = 1000

/**
 * Adds a note if most batches of an epoch hold rows of one class only, far more than by chance: the rows are sorted by
 * their label, and this stage leaves them in their batches. Training then swings from class to class.
 */
export function noteSorted(batches: readonly Table[], { note }: Pick<StageContext, 'note'>): void {
  const every = Math.ceil(batches.length / MOST)
  const large = batches
    .filter((_, i) => i % every === 0)
    .map((batch) => kernelRows(batch).labels)
    .filter((labels) => labels.length >= LEAST.rows)
  if (large.length < LEAST.batches) return
  const counts = new Array<number>(layoutOf(batches[0]!).classes.length).fill(0)
  let [rows, single, byChance] = [0, 0, 0]
  for (const labels of large) {
    let isSingle = true
    for (const label of labels) {
      if (label >= 0) counts[label]!++
      if (label !== labels[0]) isSingle = false
    }
    rows += labels.length
    if (isSingle) single++
  }
  for (const { length } of large)
    byChance += counts.reduce((sum, count) => sum + (count / rows) ** length, 0) / large.length
  const share = single / large.length
  if (share < 0.5 || share < byChance + 0.3) return
  note(
    `${single} of ${large.length} batches hold rows of one class only: the rows are sorted by label, and this stage does ` +
      'not mix them; shuffle/rows does',
  )
}
