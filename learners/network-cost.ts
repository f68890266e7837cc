import {
  type Arrays,
  arraysOfNetwork,
  type CostAround,
  type LearnerData,
  type NetworkShape,
  type OpenModel,
  type Rows,
  readRow,
  suffixOf,
} from '../pipeline/stage-kit.js'

const EPSILON = 1e-5

/**
 * Prepares the cost of a network for the gradient check, which moves one parameter at a time: the cost that training
 * descends, with the statistics of the batch, the smoothed labels, the masks of dropout and the weights of the rows. It is
 * computed here in float64, apart from the kernels.
 *
 * The outputs of the first layer are computed once. A moved weight of it changes one of its units, linearly; what is above
 * is small and computed again.
 */
export async function networkCostAround(
  shape: NetworkShape,
  rows: Rows,
  parameters: Arrays,
  pause: () => Promise<void> | undefined,
): Promise<CostAround> {
  const { features, layers } = shape
  const count = rows.labels.length
  const at = (layer: number) => suffixOf(shape, layer)
  const weights = new Set(arraysOfNetwork(shape).flatMap(({ name, kind }) => (kind === 'weights' ? [name] : [])))
  const here = Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, Float64Array.from(values)]))
  const x = new Float64Array(count * features)
  for (let i = 0; i < count; i++) readRow(rows, i, x.subarray(i * features, (i + 1) * features))
  const first = new Float64Array(count * layers[0]!.units)
  for (let i = 0; i < count; i++) {
    linear(x.subarray(i * features, (i + 1) * features), here[`W${at(0)}`]!, here[`b${at(0)}`]!, first, i)
    await pause()
  }
  let penalty = 0
  for (const name of weights) for (const w of here[name]!) penalty += w * w

  /** Mean loss, and a number that changes if a unit or a margin goes to the other side of its kink. */
  function above(start: Float64Array): { loss: number; kinks: number } {
    let s = start
    let kinks = 0
    for (const [l, { units, activation, batchNorm, dropout }] of layers.entries()) {
      const mask = dropout ? rows.masks?.[l] : undefined
      if (l > 0) {
        const inputs = layers[l - 1]!.units
        const next = new Float64Array(count * units)
        for (let i = 0; i < count; i++)
          linear(s.subarray(i * inputs, (i + 1) * inputs), here[`W${at(l)}`]!, here[`b${at(l)}`]!, next, i)
        s = next
      } else if (activation || batchNorm || mask) s = Float64Array.from(s)
      if (batchNorm) normalise(s, units, here[`gamma${at(l)}`]!, here[`beta${at(l)}`]!)
      if (activation)
        for (let i = 0; i < s.length; i++) {
          kinks = (Math.imul(kinks, 31) + Number(s[i]! > 0 && mask?.[i] !== 0)) | 0
          s[i] = Math.max(0, s[i]!)
        }
      if (mask) for (let i = 0; i < s.length; i++) s[i] = (s[i]! * mask[i]!) / (1 - dropout!)
    }
    let sum = 0
    const classes = layers.at(-1)!.units
    for (const [i, label] of rows.labels.entries()) {
      const scores = s.subarray(i * classes, (i + 1) * classes)
      const weight = rows.weights?.[i] ?? 1
      if (shape.loss !== 'hinge') sum += weight * crossEntropy(scores, label, shape.smoothing ?? 0)
      else
        for (const [k, score] of scores.entries()) {
          const margin = k === label ? 0 : score - scores[label]! + 1
          kinks = (Math.imul(kinks, 31) + Number(margin > 0)) | 0
          sum += weight * Math.max(0, margin)
        }
    }
    return { loss: sum / count, kinks }
  }

  /** The outputs of the first layer with unit `k` moved by `d · x[j]`, or by `d` if `j` is undefined. */
  function firstMovedBy(k: number, j: number | undefined, d: number): Float64Array {
    const units = layers[0]!.units
    const moved = Float64Array.from(first)
    for (let i = 0; i < count; i++) moved[i * units + k]! += d * (j === undefined ? 1 : x[i * features + j]!)
    return moved
  }

  return {
    ...above(first),
    penalty,
    moved: (array, index, value) => {
      const values = here[array]!
      const w = values[index]!
      const by = weights.has(array) ? value * value - w * w : 0
      if (array === `W${at(0)}`)
        return {
          ...above(firstMovedBy(Math.floor(index / features), index % features, value - w)),
          penalty: penalty + by,
        }
      if (array === `b${at(0)}`) return { ...above(firstMovedBy(index, undefined, value - w)), penalty }
      values[index] = value
      const found = above(first)
      values[index] = w
      return { ...found, penalty: penalty + by }
    },
  }
}

/** Writes `W x + b` as row `i` of `out`. */
function linear(x: Float64Array, W: Float64Array, b: Float64Array, out: Float64Array, i: number): void {
  for (let k = 0; k < b.length; k++) {
    let sum = b[k]!
    for (let j = 0; j < x.length; j++) sum += W[k * x.length + j]! * x[j]!
    out[i * b.length + k] = sum
  }
}

/** `gamma · (s - mean) / √(variance + 1e-5) + beta` over the rows, in place. */
function normalise(s: Float64Array, units: number, gamma: Float64Array, beta: Float64Array): void {
  const count = s.length / units
  for (let k = 0; k < units; k++) {
    let [mean, variance] = [0, 0]
    for (let i = k; i < s.length; i += units) mean += s[i]! / count
    for (let i = k; i < s.length; i += units) variance += (s[i]! - mean) ** 2 / count
    for (let i = k; i < s.length; i += units)
      s[i] = (gamma[k]! * (s[i]! - mean)) / Math.sqrt(variance + EPSILON) + beta[k]!
  }
}

/** `-Σ target · log p` with `(1 - a) · onehot + a / classes` for the target. */
function crossEntropy(scores: Float64Array, label: number, smoothing: number): number {
  const largest = scores.reduce((most, s) => Math.max(most, s))
  const log = largest + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - largest), 0))
  const mean = scores.reduce((sum, s) => sum + s, 0) / scores.length
  return log - (1 - smoothing) * scores[label]! - smoothing * mean
}

/** The `costAround` of a learner whose network has that shape. */
export function costOfNetwork<O>(shapeOf: (data: LearnerData, options: O) => NetworkShape) {
  return (
    _model: OpenModel,
    rows: Rows,
    parameters: Arrays,
    pause: () => Promise<void> | undefined,
    data: LearnerData,
    options: O,
  ): Promise<CostAround> => networkCostAround(shapeOf(data, options), rows, parameters, pause)
}
