import { type Arrays, type CostAround, type OpenModel, type Rows, slices } from '../pipeline/stage-kit.js'

/**
 * Prepares the cost of a linear softmax classifier for the gradient check, which moves one parameter at a time.
 *
 * The model computes all logits `s = W z + b` once. A parameter of class `k` changes only the logit `s[k]`, and changes
 * it linearly: if `W[k, j]` moves by `d`, then `s[k]` moves by `d · z[j]`. The loss is then computed from the logits in
 * float64, without an approximation. It takes two exponentials per row instead of `classes × features` products, which
 * makes it possible to check *every* parameter.
 *
 * @param model opened with the reference kernels and loaded with `parameters`
 */
export async function softmaxCostAround(
  model: OpenModel,
  rows: Rows,
  { W, b }: Arrays,
  pause: () => Promise<void> | undefined,
): Promise<CostAround> {
  const classes = b!.length
  const features = W!.length / classes
  const { labels, weights } = rows
  const count = labels.length
  const logits = new Float64Array(count * classes)
  let done = 0
  for (const part of slices(rows, model.rowsPerCall)) {
    await model.scores(part, logits.subarray(done * classes))
    done += part.labels.length
    await pause()
  }
  const others = otherLogits(logits, classes)
  const column = new Float64Array(count)
  let at: number | undefined
  let penalty = 0
  for (const w of W!) penalty += w * w

  /** The mean loss with `W[k, j]` (or `b[k]`, if `j` is undefined) larger by `d`. */
  function lossMovedBy(k: number, j: number | undefined, d: number): number {
    if (j !== undefined && j !== at) standardisedColumn(rows, j, features, column)
    at = j ?? at
    let sum = 0
    for (let i = 0; i < count; i++) {
      const here = i * classes + k
      const own = logits[here]! + d * (j === undefined ? 1 : column[i]!)
      const largest = Math.max(own, others.largest[here]!)
      const total = Math.exp(own - largest) + others.sum[here]! * Math.exp(others.largest[here]! - largest)
      const label = labels[i]!
      const loss = largest + Math.log(total) - (label === k ? own : logits[i * classes + label]!)
      sum += weights ? weights[i]! * loss : loss
    }
    return sum / count
  }

  return {
    loss: lossMovedBy(0, undefined, 0),
    penalty,
    moved: (array, index, value) => {
      if (array === 'b') return { loss: lossMovedBy(index, undefined, value - b![index]!), penalty }
      const w = W![index]!
      const loss = lossMovedBy(Math.floor(index / features), index % features, value - w)
      return { loss, penalty: penalty - w * w + value * value }
    },
  }
}

/**
 * For each logit of a row: the largest `m` of the other logits, and their sum `Σ exp(s - m)`. Both stay the same if the
 * logit moves.
 */
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

/** Writes feature `j` of every row to `out`, with the affine map applied. */
function standardisedColumn({ values, affine }: Rows, j: number, features: number, out: Float64Array): void {
  const isMapped = affine !== undefined && values instanceof Uint8Array
  for (let i = 0; i < out.length; i++) {
    const x = values[i * features + j]!
    out[i] = isMapped ? (x - affine.mean[j]!) * affine.scale[j]! : x
  }
}
