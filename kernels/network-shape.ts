import type { DenseLayer, NetworkShape } from './contract.js'

/** One array of a network. */
export interface NetworkArray {
  /** `W` and `b` of a single layer; `W1`, `b1`, `gamma1`, `beta1` … of several, counted from the features. */
  readonly name: string
  /** Extents, the slowest first. */
  readonly shape: readonly number[]
  /**
   * `weights` belong to the penalty; a `bias` of a single layer may be drawn as weights are, an `offset` begins at zero, a
   * `scale` at one; an `average` is changed by training steps but not by the update rule.
   */
  readonly kind: 'weights' | 'bias' | 'offset' | 'scale' | 'average'
}

/** The number of batches that the running averages have seen. */
export const BATCHES_SEEN = 'batchesSeen'

/** The arrays of a network, layer by layer. */
export function arraysOfNetwork({ features, layers }: NetworkShape): NetworkArray[] {
  const arrays: NetworkArray[] = []
  let inputs = features
  for (const [i, layer] of layers.entries()) {
    const at = layers.length === 1 ? '' : String(i + 1)
    arrays.push({ name: `W${at}`, shape: [layer.units, inputs], kind: 'weights' })
    arrays.push({ name: `b${at}`, shape: [layer.units], kind: layers.length === 1 ? 'bias' : 'offset' })
    if (layer.batchNorm)
      arrays.push(
        { name: `gamma${at}`, shape: [layer.units], kind: 'scale' },
        { name: `beta${at}`, shape: [layer.units], kind: 'offset' },
        { name: `mean${at}`, shape: [layer.units], kind: 'average' },
        { name: `variance${at}`, shape: [layer.units], kind: 'average' },
      )
    inputs = layer.units
  }
  if (layers.some(({ batchNorm }) => batchNorm)) arrays.push({ name: BATCHES_SEEN, shape: [1], kind: 'average' })
  return arrays
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

/** Whether a layer is the linear one that all kernels know. */
export function isPlain({ activation, batchNorm }: DenseLayer): boolean {
  return activation === undefined && !batchNorm
}
