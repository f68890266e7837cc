import type { NetworkShape } from './contract.js'

/** The loss of one row from its scores. */
export interface Loss {
  /** The loss that is reported. */
  plain(scores: Float64Array, label: number): number
  /** The loss that training minimises. Writes its derivative by each score over all of `slope`. */
  slope(scores: Float64Array, label: number, slope: Float64Array): number
}

/** The loss of a network. */
export function lossOf({ loss, smoothing = 0 }: Pick<NetworkShape, 'loss' | 'smoothing'>): Loss {
  return loss === 'hinge' ? hinge : crossEntropy(smoothing)
}

/**
 * `-Σ target · log p` for `p = softmax(s)`. Its derivative is `p - target` (C. Bishop, Pattern Recognition and Machine
 * Learning, 4.3.4). The target is the label, smoothed by `a`: `(1 - a) · onehot + a / classes` (C. Szegedy, 2016).
 */
function crossEntropy(smoothing: number): Loss {
  return {
    plain: (s, label) => logSumExp(s) - s[label]!,
    slope: (s, label, slope) => {
      const each = smoothing / s.length
      const log = writeSoftmax(s, slope)
      let sum = 0
      for (let k = 0; k < s.length; k++) {
        slope[k]! -= (k === label ? 1 - smoothing : 0) + each
        sum += s[k]!
      }
      if (smoothing === 0) return log - s[label]!
      return log - (1 - smoothing) * s[label]! - each * sum
    },
  }
}

const hinge: Loss = {
  plain: (s, label) => hingeOf(s, label),
  slope: (s, label, slope) => {
    slope.fill(0)
    return hingeOf(s, label, slope)
  },
}

/** `Σ_(j ≠ y) max(0, s_j - s_y + 1)`; at a kink the derivative is the one of the flat side. */
function hingeOf(s: Float64Array, label: number, slope?: Float64Array): number {
  let sum = 0
  for (let k = 0; k < s.length; k++) {
    const excess = k === label ? 0 : s[k]! - s[label]! + 1
    if (excess <= 0) continue
    sum += excess
    if (!slope) continue
    slope[k]! += 1
    slope[label]! -= 1
  }
  return sum
}

/** `log Σ exp(s)`, computed relative to the largest score so that nothing overflows. */
function logSumExp(s: Float64Array): number {
  const largest = s[argMax(s)]!
  let sum = 0
  for (let k = 0; k < s.length; k++) sum += Math.exp(s[k]! - largest)
  return largest + Math.log(sum)
}

/**
 * Writes the softmax to `p`, and returns `log Σ exp(s)`. Because it divides by the sum, `Σ p = 1` for scores of any size.
 */
export function writeSoftmax(s: Float64Array, p: Float64Array): number {
  const largest = s[argMax(s)]!
  let sum = 0
  for (let k = 0; k < s.length; k++) {
    p[k] = Math.exp(s[k]! - largest)
    sum += p[k]!
  }
  for (let k = 0; k < s.length; k++) p[k]! /= sum
  return largest + Math.log(sum)
}

/** The place of the largest score, the first of equals. NaN does not count, unless it is the first. */
export function argMax(s: Float64Array): number {
  let best = 0
  for (let k = 1; k < s.length; k++) if (s[k]! > s[best]!) best = k
  return best
}
