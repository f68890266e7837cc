/** How many rows each class has, beginning with those of an unknown class (-1). */
function countsOf(labels: ArrayLike<number>): number[] {
  const counts: number[] = [0]
  for (let i = 0; i < labels.length; i++) {
    const at = labels[i]! + 1
    while (counts.length <= at) counts.push(0)
    counts[at]!++
  }
  return counts
}

/**
 * Divides each class among splits: `[class + 1][split]`, where class -1 is the unknown one. Of a class, a split gets its
 * share rounded down or up; what is left over goes to the splits that lack most rows so far, counted over all classes.
 */
export function quotasOf(labels: ArrayLike<number>, shares: readonly number[]): number[][] {
  /** How many rows each split should have had so far, less those it has. */
  const lacking = shares.map(() => 0)
  return countsOf(labels).map((count) => {
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
