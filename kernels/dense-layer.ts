import type { Arrays, Gradient, NetworkShape, NetworkStep, Rows, StatefulStep } from './contract.js'

/**
 * A dense layer `s = W x + b` of a kernel in this process, as `layeredNetwork` joins them: the products of rows and
 * weights, where the time goes. Slopes are derivatives of the loss by each output, `[rows, units]` in float32.
 */
export interface LayerProducts {
  /** The live parameters `W` `[units, inputs]` and `b` `[units]`. */
  read(): { readonly W: Float32Array; readonly b: Float32Array }
  /** Must be called to write to the parameters. */
  change(write: (parameters: Arrays) => void): void
  /**
   * Returns memory for outputs and slopes of so many rows, `[rows, units]` each, which the kernel reads in place. It is
   * valid until the next call, or `free`.
   */
  room(rows: number): { readonly output: Float32Array; readonly slope: Float32Array }
  /** Writes the outputs of the rows to the front of `out`, `[rows, units]`; `isRelu`: 0 instead of what is below. Ignores the labels. */
  outputs(rows: Rows, out: Float32Array, isRelu: boolean): void
  /** Adds the gradient by the parameters to the sums of the step. */
  accumulateSlopes(rows: Rows, slopes: Float32Array): void
  /** Makes a step on the mean of the accumulated rows and these rows, and clears the sums. */
  stepSlopes(rows: Rows, slopes: Float32Array, update: LayerStep): void
  /**
   * Writes the derivative of the loss by each input, `slopes W`, to the front of `out`, `[rows, inputs]`. With `relu`, the
   * inputs came out of a ReLU: where they are 0, so is their derivative.
   */
  inputSlopes(slopes: Float32Array, rows: number, out: Float32Array, relu: Float32Array | undefined): void
  /** The mean gradient of the accumulated rows plus the penalty's. Clears the sums. */
  gradient(lambda: number, into?: Arrays): Pick<Gradient, 'arrays'>
  /** Returns `Σ W²`. */
  penalty(): number
  /** Frees the memory; may be called again. */
  free(): void
}

/** The part of a step that belongs to one layer. */
export interface LayerStep {
  /** The step of the network. */
  readonly update: NetworkStep
  /** The names of the arrays of weights and biases in the network. */
  readonly names: { readonly W: string; readonly b: string }
}

/** The state of the weights of a layer, one or two arrays. */
export const stateOf = ({ names }: LayerStep, { state }: StatefulStep): readonly [Float32Array, Float32Array] => {
  const [first, second = first] = state[names.W] as readonly Float32Array[]
  return [first!, second!]
}

/**
 * The numbers of a rule as the fast kernels take them: which rule it is, from 1, and `mu`, or for Adam
 * `1 - beta1, 1 - beta2, eta / (1 - beta1^t), 1 / √(1 - beta2^t), epsilon, 1 - eta · decay`.
 */
export function ruleNumbers({ rule, numbers, eta, step }: StatefulStep): Float64Array {
  if (rule !== 'adam') return Float64Array.of(rule === 'momentum' ? 1 : 2, numbers[0]!)
  const [beta1, beta2, epsilon, decay] = numbers as [number, number, number, number]
  const [rate, root] = [eta / (1 - beta1 ** step), Math.sqrt(1 - beta2 ** step)]
  return Float64Array.of(3, 1 - beta1, 1 - beta2, rate, 1 / root, epsilon, 1 - eta * decay)
}

/** Whether a network is one dense layer with cross-entropy, which the fast kernels compute in one piece. */
export function isSoftmax({ layers, loss, smoothing = 0, weighted }: NetworkShape): boolean {
  const [layer, another] = layers
  if (!layer || another || layer.activation !== undefined || layer.batchNorm || layer.dropout || weighted) return false
  return loss === 'cross-entropy' && smoothing === 0
}
