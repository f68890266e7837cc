import type { NetworkStep } from './contract.js'
import { EPSILON, KEPT } from './network-shape.js'

/** The live arrays of a normalisation, `[units]` each. */
export interface NormArrays {
  /** Factors of the normalised values. */
  readonly gamma: Float32Array
  /** Added to them. */
  readonly beta: Float32Array
  /** Running average of the mean. */
  readonly mean: Float32Array
  /** Running average of the biased variance. */
  readonly variance: Float32Array
}

/** A batch normalisation in place, over `[rows, units]` in float32 with sums in float64. */
export interface BatchNorm {
  /** Normalises by the batch, and remembers it for `backward`. `isFirst`: the running averages start as the batch's. */
  train(s: Float32Array, rows: number, isFirst: boolean): void
  /** Normalises by the running averages. */
  evaluate(s: Float32Array, rows: number): void
  /** Turns slopes by the outputs into slopes by the inputs. Adds the gradient by gamma and beta to the sums. */
  backward(slopes: Float32Array, rows: number): void
  /** Makes a step with the mean over `count` rows. `at`: what stands behind the names of its arrays. */
  step(count: number, update: NetworkStep, at: string): void
  /** Writes the mean gradient over `count` rows, and clears the sums. */
  gradient(count: number, dGamma: { [i: number]: number }, dBeta: { [i: number]: number }): void
  /** Clears the sums. */
  clear(): void
}

/** Makes the normalisation of a layer, see `DenseLayer.batchNorm` of the contract. */
export function batchNorm({ gamma, beta, mean, variance }: NormArrays): BatchNorm {
  const units = gamma.length
  const [dGamma, dBeta] = [new Float64Array(units), new Float64Array(units)]
  const [first, second, inverse] = [new Float64Array(units), new Float64Array(units), new Float64Array(units)]
  let normal = new Float32Array(0)

  function train(s: Float32Array, rows: number, isFirst: boolean): void {
    if (normal.length < rows * units) normal = new Float32Array(rows * units)
    const [average, spread] = [first.fill(0), second.fill(0)]
    for (let i = 0, at = 0; i < rows; i++) for (let k = 0; k < units; k++, at++) average[k]! += s[at]!
    for (let k = 0; k < units; k++) average[k]! /= rows
    for (let i = 0, at = 0; i < rows; i++)
      for (let k = 0; k < units; k++, at++) {
        const off = s[at]! - average[k]!
        spread[k]! += off * off
      }
    const kept = isFirst ? 0 : KEPT
    for (let k = 0; k < units; k++) {
      spread[k]! /= rows
      mean[k] = kept * mean[k]! + (1 - kept) * average[k]!
      variance[k] = kept * variance[k]! + (1 - kept) * spread[k]!
      inverse[k] = 1 / Math.sqrt(spread[k]! + EPSILON)
    }
    for (let i = 0, at = 0; i < rows; i++)
      for (let k = 0; k < units; k++, at++) {
        const n = (s[at]! - average[k]!) * inverse[k]!
        normal[at] = n
        s[at] = gamma[k]! * n + beta[k]!
      }
  }

  function evaluate(s: Float32Array, rows: number): void {
    for (let k = 0; k < units; k++) inverse[k] = 1 / Math.sqrt(variance[k]! + EPSILON)
    for (let i = 0, at = 0; i < rows; i++)
      for (let k = 0; k < units; k++, at++) s[at] = gamma[k]! * ((s[at]! - mean[k]!) * inverse[k]!) + beta[k]!
  }

  function backward(slopes: Float32Array, rows: number): void {
    const [plain, along] = [first.fill(0), second.fill(0)]
    for (let i = 0, at = 0; i < rows; i++)
      for (let k = 0; k < units; k++, at++) {
        plain[k]! += slopes[at]!
        along[k]! += slopes[at]! * normal[at]!
      }
    for (let k = 0; k < units; k++) {
      dBeta[k]! += plain[k]!
      dGamma[k]! += along[k]!
      plain[k]! /= rows
      along[k]! /= rows
    }
    // The mean and the variance of the batch depend on every row.
    for (let i = 0, at = 0; i < rows; i++)
      for (let k = 0; k < units; k++, at++)
        slopes[at] = gamma[k]! * inverse[k]! * (slopes[at]! - plain[k]! - normal[at]! * along[k]!)
  }

  function clear(): void {
    dGamma.fill(0)
    dBeta.fill(0)
  }

  return {
    train,
    evaluate,
    backward,
    step: (count, update, at) => {
      for (let k = 0; k < units; k++) {
        dGamma[k]! /= count
        dBeta[k]! /= count
        if (update.rule !== 'sgd') continue
        gamma[k] = gamma[k]! - update.eta * dGamma[k]!
        beta[k] = beta[k]! - update.eta * dBeta[k]!
      }
      if (update.rule !== 'sgd') {
        update.change(`gamma${at}`, gamma, dGamma)
        update.change(`beta${at}`, beta, dBeta)
      }
      clear()
    },
    gradient: (count, toGamma, toBeta) => {
      for (let k = 0; k < units; k++) {
        toGamma[k] = dGamma[k]! / count
        toBeta[k] = dBeta[k]! / count
      }
      clear()
    },
    clear,
  }
}
