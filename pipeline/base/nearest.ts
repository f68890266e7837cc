/** Names are compared up to here: the work is quadratic, and the names come from users. */
const LONGEST = 100

/** `; did you mean "x"?` for the candidate that differs least from `name`, or nothing where none is close. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  let best: string | undefined
  // A third of the letters may differ, two at least, but never more than half of a short name.
  const length = Math.min(name.length, LONGEST)
  let least = Math.max(1, Math.min(2, Math.floor(length / 2)), Math.floor(length / 3)) + 1
  for (const candidate of candidates) {
    const d = Math.min(distance(name, candidate), distance(name, candidate.slice(candidate.lastIndexOf('/') + 1)) + 0.5)
    if (d < least) {
      least = d
      best = candidate
    }
  }
  return best === undefined ? '' : `; did you mean "${best}"?`
}

/** Damerau–Levenshtein distance (adjacent transpositions count once), case ignored. */
function distance(a: string, b: string): number {
  const [s, t] = [a.toLowerCase().slice(0, LONGEST), b.toLowerCase().slice(0, LONGEST)]
  let before: number[] = []
  let last = Array.from({ length: t.length + 1 }, (_, j) => j)
  for (let i = 1; i <= s.length; i++) {
    const row = [i]
    for (let j = 1; j <= t.length; j++) {
      const change = s[i - 1] === t[j - 1] ? 0 : 1
      row[j] = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + change)
      if (i > 1 && j > 1 && s[i - 1] === t[j - 2] && s[i - 2] === t[j - 1])
        row[j] = Math.min(row[j]!, before[j - 2]! + 1)
    }
    before = last
    last = row
  }
  return last[t.length]!
}

/** More names than this are no help. */
const LISTED = 30

/** What to say after an unknown name: the nearest known one, or all of them, if there are few (`; ids: a, b`). */
export function suggestion(name: string, known: Iterable<string>, noun: string): string {
  const names = [...known]
  const list = names.length > LISTED ? [...names.slice(0, LISTED), '…'] : names
  return didYouMean(name, names) || (names.length > 0 ? `; ${noun}: ${list.join(', ')}` : '')
}
