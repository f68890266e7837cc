import type { Arrays, Gradient, NetworkShape, Numbers, Rows, SgdStep } from './contract.js'

/**
 * A dense layer `s = W x + b` of a kernel in this process, as `layeredNetwork` joins them: the products of rows and
 * weights, where the time goes. Slopes are derivatives of the loss by each output, `[rows, units]` in float32.
 */
export interface LayerProducts {
  /** The live parameters `W` `[units, inputs]` and `b` `[units]`. */
  read(): { readonly W: Float32Array; readonly b: Float32Array }
  /** Must be called to write to the parameters. */
  change(write: (parameters: Arrays) => void): void
  /** Writes the outputs of the rows to the front of `out`, `[rows, units]`. Ignores the labels. */
  scores(rows: Rows, out: Numbers): void
  /** Adds the gradient by the parameters to the sums of the step. */
  accumulateSlopes(rows: Rows, slopes: Float32Array): void
  /** Makes a step on the mean of the accumulated rows and these rows, and clears the sums. */
  stepSlopes(rows: Rows, slopes: Float32Array, update: SgdStep): void
  /** Writes the derivative of the loss by each input, `slopes W`, to the front of `out`, `[rows, inputs]`. */
  inputSlopes(slopes: Float32Array, rows: number, out: Float32Array): void
  /** The mean gradient of the accumulated rows plus the penalty's. Clears the sums. */
  gradient(lambda: number, into?: Arrays): Pick<Gradient, 'arrays'>
  /** Returns `Σ W²`. */
  penalty(): number
  /** Frees the memory; may be called again. */
  free(): void
}

/** Whether a network is one dense layer with cross-entropy, which the fast kernels compute in one piece. */
export function isSoftmax({ layers, loss, smoothing = 0, weighted }: NetworkShape): boolean {
  const [layer, another] = layers
  if (!layer || another || layer.activation !== undefined || layer.batchNorm || layer.dropout || weighted) return false
  return loss === 'cross-entropy' && smoothing === 0
}
