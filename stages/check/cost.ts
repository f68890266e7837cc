import { type Rows, type Softmax, slices } from '../../kernels/index.js'
import type { StageContext } from '../../pipeline/stage-kit.js'

/** The data loss as a function of a single parameter; the rest stays as it is. */
export interface Loss {
  /** Mean cross-entropy of the rows. */
  readonly base: number
  /** The same with `W[k, j]` (or `b[k]`, where `j` is undefined) larger by `d`. */
  moved(k: number, j: number | undefined, d: number): number
}

/**
 * Prepares the mean cross-entropy of a linear softmax classifier to be differenced by one parameter after another.
 *
 * The reference kernel computes all logits `s = W z + b` once. A parameter of class `k` enters the cost through the
 * logit `s[k]` alone, and linearly: moving `W[k, j]` by `d` moves it by `d · z[j]`. So each cost is the true one,
 * evaluated from the logits on in float64 with nothing approximated, but takes two exponentials a row instead of
 * `classes × features` products: that is what makes checking *every* parameter affordable.
 *
 * @param classifier of the reference kernel, loaded with the parameters
 * @param most rows for one stretch of work
 */
export async function lossAround(
  classifier: Softmax,
  rows: Rows,
  most: number,
  { flow }: Pick<StageContext, 'flow'>,
): Promise<Loss> {
  const { features, classes } = classifier
  const { labels } = rows
  const count = labels.length
  const logits = new Float64Array(count * classes)
  let done = 0
  for (const part of slices(rows, most)) {
    classifier.logits(part, logits.subarray(done * classes))
    done += part.labels.length
    await flow.yieldToEventLoop()
  }
  const others = otherLogits(logits, classes)
  const column = new Float64Array(count)
  let at: number | undefined

  function moved(k: number, j: number | undefined, d: number): number {
    if (j !== undefined && j !== at) standardisedColumn(rows, j, features, column)
    at = j ?? at
    let sum = 0
    for (let i = 0; i < count; i++) {
      const here = i * classes + k
      const own = logits[here]! + d * (j === undefined ? 1 : column[i]!)
      const largest = Math.max(own, others.largest[here]!)
      const total = Math.exp(own - largest) + others.sum[here]! * Math.exp(others.largest[here]! - largest)
      const label = labels[i]!
      sum += largest + Math.log(total) - (label === k ? own : logits[i * classes + label]!)
    }
    return sum / count
  }

  return { base: moved(0, undefined, 0), moved }
}

/** For each logit of a row the largest `m` of the others, and their sum `Σ exp(s - m)`: they do not move with it. */
function otherLogits(logits: Float64Array, classes: number): { largest: Float64Array; sum: Float64Array } {
  const largest = new Float64Array(logits.length).fill(Number.NEGATIVE_INFINITY)
  const sum = new Float64Array(logits.length)
  for (let from = 0; from < logits.length; from += classes)
    for (let k = from; k < from + classes; k++) {
      for (let c = from; c < from + classes; c++) if (c !== k) largest[k] = Math.max(largest[k]!, logits[c]!)
      for (let c = from; c < from + classes; c++) if (c !== k) sum[k]! += Math.exp(logits[c]! - largest[k]!)
    }
  return { largest, sum }
}

/** Feature `j` of every row, as the classifier sees it. */
function standardisedColumn({ values, affine }: Rows, j: number, features: number, out: Float64Array): void {
  const isMapped = affine !== undefined && values instanceof Uint8Array
  for (let i = 0; i < out.length; i++) {
    const x = values[i * features + j]!
    out[i] = isMapped ? (x - affine.mean[j]!) * affine.scale[j]! : x
  }
}
