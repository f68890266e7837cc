import { type Affine, EPSILON, type Model, type NetworkShape, PipelineError, suffixOf } from '../pipeline/stage-kit.js'

/** A dense layer with all that follows it but its activation: `y = W x + b`, in float64. */
export interface FoldedLayer {
  /** Number of inputs. */
  readonly inputs: number
  /** Number of outputs. */
  readonly units: number
  /** Row-major `[units, inputs]`. */
  readonly weights: Float64Array
  /** `[units]`. */
  readonly bias: Float64Array
  /** Whether the outputs go through `max(0, y)`. */
  readonly relu: boolean
}

/**
 * The layers of a trained network as plain dense layers: batch normalisation with its running averages, and the
 * standardisation of the inputs if `affine` is given, become part of weights and biases. Throws a PipelineError `DATA` if an
 * array is missing or has another size than the network says.
 */
export function foldedLayers(
  { arrays }: Pick<Model, 'arrays'>,
  shape: NetworkShape,
  affine: Affine | undefined,
): FoldedLayer[] {
  let inputs = shape.features
  return shape.layers.map(({ units, activation, batchNorm }, l) => {
    const at = suffixOf(shape, l)
    const arrayOf = (name: string, size: number): Float64Array => {
      const values = arrays.find((array) => array.name === `${name}${at}`)?.values
      if (values?.length === size) return Float64Array.from(values)
      throw new PipelineError(
        'DATA',
        `the model has ${values?.length ?? 'no'} numbers for the array ${name}${at}, expected ${size}`,
      )
    }
    const weights = arrayOf('W', units * inputs)
    const bias = arrayOf('b', units)
    if (batchNorm) {
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map((name) => arrayOf(name, units))
      for (let k = 0; k < units; k++) {
        const factor = gamma![k]! / Math.sqrt(variance![k]! + EPSILON)
        for (let j = 0; j < inputs; j++) weights[k * inputs + j]! *= factor
        bias[k] = factor * (bias[k]! - mean![k]!) + beta![k]!
      }
    }
    if (l === 0 && affine) fold(affine, weights, bias)
    const layer = { inputs, units, weights, bias, relu: activation === 'relu' }
    inputs = units
    return layer
  })
}

/** Makes `W z + b` of standardised inputs one of inputs as they were loaded. */
function fold({ mean, scale }: Affine, weights: Float64Array, bias: Float64Array): void {
  const inputs = mean.length
  for (let k = 0; k < bias.length; k++)
    for (let j = 0; j < inputs; j++) {
      const at = k * inputs + j
      weights[at]! *= scale[j]!
      bias[k]! -= weights[at]! * mean[j]!
    }
}

/**
 * Returns the function that computes the scores of one row in float64, without a kernel: for a few rows that is faster than
 * to call one. The next call overwrites the result.
 */
export function rowScorer(layers: readonly FoldedLayer[]): (row: ArrayLike<number>, at: number) => Float64Array {
  const [first] = layers
  const inputs = new Float64Array(first!.inputs)
  const outputs = layers.map(({ units }) => new Float64Array(units))
  return (row, at) => {
    for (let j = 0; j < inputs.length; j++) inputs[j] = row[at + j]!
    let x = inputs
    for (const [l, layer] of layers.entries()) {
      apply(layer, x, outputs[l]!)
      x = outputs[l]!
    }
    return x
  }
}

function apply({ inputs, units, weights, bias, relu }: FoldedLayer, x: Float64Array, out: Float64Array): void {
  const whole = inputs - (inputs % 4)
  for (let k = 0; k < units; k++) {
    const from = k * inputs
    // Four sums, because one would make each addition wait for the one before.
    let [a, b, c, d] = [0, 0, 0, 0]
    for (let j = 0; j < whole; j += 4) {
      a += weights[from + j]! * x[j]!
      b += weights[from + j + 1]! * x[j + 1]!
      c += weights[from + j + 2]! * x[j + 2]!
      d += weights[from + j + 3]! * x[j + 3]!
    }
    for (let j = whole; j < inputs; j++) a += weights[from + j]! * x[j]!
    const y = a + b + (c + d) + bias[k]!
    out[k] = relu && y < 0 ? 0 : y
  }
}
