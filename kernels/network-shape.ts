import type { Arrays, NetworkShape } from './contract.js'

/** One array of the parameters of a model. */
export interface ArraySpec {
  /** Name on the wire and in files: `W` and `b` of a single layer; `W1`, `b1`, `gamma1`, `beta1` … of several. */
  readonly name: string
  /** Extents, the slowest first: `[classes, features]`. */
  readonly shape: readonly number[]
  /**
   * Weights are drawn by `init` and belong to the penalty; biases begin at zero unless `init` draws them too. An
   * `offset` always begins at zero, a `scale` at one. An `average` begins at zero; the model itself changes it in steps, and
   * no update rule does.
   */
  readonly kind: 'weights' | 'bias' | 'offset' | 'scale' | 'average'
  /** Whether it belongs to a layer that is not trained: no update rule changes it. */
  readonly frozen?: true
}

/** What is added to the variance of a batch before its root is taken. */
export const EPSILON = 1e-5

/** What stays of a running average with each batch. */
export const KEPT = 0.9

/** The number of batches that the running averages have seen. */
export const BATCHES_SEEN = 'batchesSeen'

/** What stands behind the names of the arrays of layer `i`: its number from 1, nothing if there is one layer. */
export function suffixOf({ layers }: { readonly layers: { readonly length: number } }, i: number): string {
  return layers.length === 1 ? '' : String(i + 1)
}

/** The arrays that update rules change. */
export function trainedOf<A extends Pick<ArraySpec, 'kind' | 'frozen'>>(arrays: readonly A[]): A[] {
  return arrays.filter(({ kind, frozen }) => kind !== 'average' && !frozen)
}

/** The size of an array of a shape: the product of its extents. */
export function widthOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** The arrays of a network, layer by layer. */
export function arraysOfNetwork({ features, layers }: Pick<NetworkShape, 'features' | 'layers'>): ArraySpec[] {
  const arrays: ArraySpec[] = []
  let inputs = features
  for (const [i, layer] of layers.entries()) {
    const at = suffixOf({ layers }, i)
    const { units } = layer
    const frozen = layer.frozen && { frozen: true as const }
    arrays.push({ name: `W${at}`, shape: [units, inputs], kind: 'weights', ...frozen })
    arrays.push({ name: `b${at}`, shape: [units], kind: layers.length === 1 ? 'bias' : 'offset', ...frozen })
    if (layer.batchNorm)
      arrays.push(
        { name: `gamma${at}`, shape: [units], kind: 'scale', ...frozen },
        { name: `beta${at}`, shape: [units], kind: 'offset', ...frozen },
        { name: `mean${at}`, shape: [units], kind: 'average' },
        { name: `variance${at}`, shape: [units], kind: 'average' },
      )
    inputs = units
  }
  if (layers.some(({ batchNorm }) => batchNorm)) arrays.push({ name: BATCHES_SEEN, shape: [1], kind: 'average' })
  return arrays
}

/** Returns `Σ W²` over the weights of all layers, in float64. */
export function sumOfSquares(arrays: Arrays, specs: readonly ArraySpec[]): number {
  let sum = 0
  for (const { name, kind } of specs) if (kind === 'weights') for (const w of arrays[name]!) sum += w * w
  return sum
}

/** The multiply-adds of one row, see `rowsPerCall`. */
export function workOfRow({ features, layers }: Pick<NetworkShape, 'features' | 'layers'>): number {
  let inputs = features
  let work = 0
  for (const { units } of layers) {
    // A softmax or a normalisation costs as much as the multiply-adds of about a hundred inputs.
    work += (inputs + 128) * units
    inputs = units
  }
  return work
}
