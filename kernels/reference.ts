import { checkAny, checkedArrays, checkedShape, checkLabels, checkRows, checkScores, checkWhole } from './check.js'
import type { Arrays, Evaluation, Gradient, Kernels, Moments, Network, Numbers, Rows, SgdStep } from './contract.js'
import { allocating, checkLength } from './memory.js'
import { readRow } from './rows.js'

/**
 * Opens the reference kernels, with which all other kernels are compared: float64, one thread, written like the
 * formulas.
 *
 * For a row `z` of class `y`: `s = W z + b`, `p = softmax(s)`, `loss = -log p[y]`, and the gradients of the loss are
 * `dW = (p - onehot(y)) zᵀ`, `db = p - onehot(y)` (C. Bishop, Pattern Recognition and Machine Learning, 4.3.4).
 */
export function referenceKernels(): Kernels {
  return {
    name: 'reference',
    detail: 'float64',
    threads: 1,
    precision: 'float64',
    slice: 5e6,
    allocate: (bytes) => {
      checkLength(bytes, bytes)
      return allocating(bytes, () => new Uint8Array(new SharedArrayBuffer(bytes)))
    },
    memoryOutlivesClose: true,
    network: (shape) => {
      const { features, classes } = checkedShape(shape)
      return allocating(2 * classes * features * 8, () => softmax(features, classes))
    },
    moments,
    close: () => {},
  }
}

/** One dense layer with cross-entropy on top. */
function softmax(features: number, classes: number): Network {
  const W = new Float64Array(classes * features)
  const b = new Float64Array(classes)
  const dW = new Float64Array(classes * features)
  const db = new Float64Array(classes)
  const z = new Float64Array(features)
  const s = new Float64Array(classes)
  let loss = 0
  let count = 0

  /** Standardises row `i` into `z` and computes its scores into `s`. */
  function forward(rows: Rows, i: number): void {
    readRow(rows, i, z)
    for (let k = 0; k < classes; k++) {
      let sum = b[k]!
      for (let j = 0; j < features; j++) sum += W[k * features + j]! * z[j]!
      s[k] = sum
    }
  }

  function accumulate(rows: Rows): void {
    checkRows(rows, features)
    checkLabels(rows, classes)
    for (let i = 0; i < rows.labels.length; i++) {
      const label = rows.labels[i]!
      forward(rows, i)
      loss += logSumExp(s) - s[label]!
      count++
      toProbabilities(s)
      for (let k = 0; k < classes; k++) {
        const g = s[k]! - (k === label ? 1 : 0)
        db[k]! += g
        for (let j = 0; j < features; j++) dW[k * features + j]! += g * z[j]!
      }
    }
  }

  function gradient(lambda: number, into?: Arrays): Gradient {
    checkAny(count)
    const target = into ? checkedArrays(into, features, classes) : undefined
    const mean = allocating(dW.byteLength, () => ({
      W: dW.map((sum, i) => sum / count + 2 * lambda * W[i]!),
      b: db.map((sum) => sum / count),
    }))
    const meanLoss = loss / count
    dW.fill(0)
    db.fill(0)
    loss = count = 0
    if (!target) return { arrays: mean, loss: meanLoss }
    target.W.set(mean.W)
    target.b.set(mean.b)
    return { arrays: { ...target }, loss: meanLoss }
  }

  function step(rows: Rows, { eta, lambda }: SgdStep): number {
    accumulate(rows)
    const { arrays, loss } = gradient(lambda)
    for (let i = 0; i < W.length; i++) W[i]! -= eta * arrays.W![i]!
    for (let k = 0; k < classes; k++) b[k]! -= eta * arrays.b![k]!
    return loss
  }

  function evaluate(rows: Rows): Evaluation {
    checkRows(rows, features)
    checkLabels(rows, classes)
    let sum = 0
    let correct = 0
    for (let i = 0; i < rows.labels.length; i++) {
      const label = rows.labels[i]!
      forward(rows, i)
      sum += logSumExp(s) - s[label]!
      if (argMax(s) === label) correct++
    }
    return { loss: sum, correct }
  }

  function penalty(): number {
    let sum = 0
    for (let i = 0; i < W.length; i++) sum += W[i]! * W[i]!
    return sum
  }

  function scores(rows: Rows, out: Numbers): void {
    checkRows(rows, features)
    checkScores(rows, classes, out)
    for (let i = 0; i < rows.labels.length; i++) {
      forward(rows, i)
      out.set(s, i * classes)
    }
  }

  return {
    features,
    classes,
    read: () => ({ W, b }),
    load: (parameters) => {
      const given = checkedArrays(parameters, features, classes)
      W.set(given.W)
      b.set(given.b)
    },
    change: (write) => write({ W, b }),
    step,
    accumulate,
    gradient,
    evaluate,
    penalty,
    scores,
    free: () => {},
  }
}

/** `log Σ exp(s)`, computed relative to the largest score so that nothing overflows. */
function logSumExp(s: Float64Array): number {
  const largest = s[argMax(s)]!
  let sum = 0
  for (let k = 0; k < s.length; k++) sum += Math.exp(s[k]! - largest)
  return largest + Math.log(sum)
}

/** Softmax in place. Because it divides by the sum, `Σ p = 1` for scores of any size. */
function toProbabilities(s: Float64Array): void {
  const largest = s[argMax(s)]!
  let sum = 0
  for (let k = 0; k < s.length; k++) {
    s[k] = Math.exp(s[k]! - largest)
    sum += s[k]!
  }
  for (let k = 0; k < s.length; k++) s[k]! /= sum
}

function argMax(s: Float64Array): number {
  let best = 0
  for (let k = 1; k < s.length; k++) if (s[k]! > s[best]!) best = k
  return best
}

function moments(values: Uint8Array, features: number): Moments {
  checkWhole(values, features)
  const sum = new Float64Array(features)
  const squares = new Float64Array(features)
  const min = new Uint8Array(features).fill(255)
  const max = new Uint8Array(features)
  for (let from = 0; from < values.length; from += features) {
    for (let j = 0; j < features; j++) {
      const x = values[from + j]!
      sum[j]! += x
      squares[j]! += x * x
      if (x < min[j]!) min[j] = x
      if (x > max[j]!) max[j] = x
    }
  }
  return { sum, squares, min, max }
}
