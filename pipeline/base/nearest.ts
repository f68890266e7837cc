import { cutName } from './words.js'

/** Characters of a name that are compared. Comparing takes quadratic time, and names come from users. */
const MAX_LENGTH = 100

/** Returns `; did you mean "x"?` for the candidate most similar to `name`, or an empty string if none is similar. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const best = nearest(name, candidates)
  return best === undefined ? '' : `; did you mean "${cutName(best)}"?`
}

/** What other programs call settings, in small letters without `_` and `-`, and what they are called here. */
const words: Readonly<Record<string, readonly string[]>> = {
  lr: ['eta'],
  learningrate: ['eta'],
  stepsize: ['eta'],
  alpha: ['lambda'],
  l2: ['lambda'],
  weightdecay: ['lambda'],
  batch: ['batchSize', 'size'],
  batchsize: ['batchSize', 'size'],
  maxiter: ['epochs'],
  nepochs: ['epochs'],
  numepochs: ['epochs'],
  optimizer: ['update'],
  units: ['hidden'],
  hiddenlayersizes: ['hidden'],
  classweight: ['classWeights'],
  randomstate: ['seed'],
  target: ['label'],
  sep: ['delimiter'],
  separator: ['delimiter'],
  testsize: ['fractions'],
  validationsplit: ['fractions'],
}

/** The candidate that another program calls `name`; of options with their stages (`model.eta`), too. */
function translated(name: string, candidates: readonly string[]): string | undefined {
  const word = name.toLowerCase().replaceAll(/[_-]/g, '')
  const meant = Object.hasOwn(words, word) ? words[word]! : []
  return candidates.find((candidate) => meant.includes(candidate.slice(candidate.lastIndexOf('.') + 1)))
}

/** Returns the candidate that `name` stands for elsewhere or that is most similar to it, or undefined if there is none. */
export function nearest(name: string, all: Iterable<string>): string | undefined {
  const candidates = [...all]
  const same = candidates.find((candidate) => candidate.toLowerCase() === name.toLowerCase())
  const known = same ?? translated(name, candidates)
  if (known !== undefined) return known
  let best: string | undefined
  // Up to a third of the letters may differ. Two may differ in any name of four letters or more, one in shorter ones.
  const length = Math.min(name.length, MAX_LENGTH)
  let least = Math.max(1, Math.min(2, Math.floor(length / 2)), Math.floor(length / 3)) + 1
  for (const candidate of candidates) {
    const last = candidate.lastIndexOf('/')
    const whole = distance(name, candidate, least)
    const d = last < 0 ? whole : Math.min(whole, distance(name, candidate.slice(last + 1), least) + 0.5)
    if (d < least) {
      least = d
      best = candidate
    }
  }
  return best
}

/**
 * The Damerau–Levenshtein distance, in the variant called optimal string alignment: a swap of two neighbours counts
 * once. Ignores case. From `limit` on, the exact distance does not matter, and any number that is not smaller will do.
 */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(Math.min(a.length, MAX_LENGTH) - Math.min(b.length, MAX_LENGTH)) >= limit) return limit
  const [s, t] = [a.toLowerCase().slice(0, MAX_LENGTH), b.toLowerCase().slice(0, MAX_LENGTH)]
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
    // Later rows are made from these two, and never get smaller.
    if (Math.min(...row) >= limit && Math.min(...last) >= limit) return limit
    before = last
    last = row
  }
  return last[t.length]!
}

/** A longer list of names does not help the user. */
const MAX_NAMES = 30

/**
 * The end of a message about an unknown name. It suggests the most similar known name. If none is similar, it lists the
 * first 30 known names (`; ids: a, b`). Empty if no name is known.
 */
export function suggestion(name: string, known: Iterable<string>, noun: string): string {
  const names = [...known]
  const list = names.length > MAX_NAMES ? [...names.slice(0, MAX_NAMES), '…'] : names
  return didYouMean(name, names) || (names.length > 0 ? `; ${noun}: ${list.map(cutName).join(', ')}` : '')
}
