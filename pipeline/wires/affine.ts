import type { Affine } from '../../kernels/contract.js'

/** Returns one map that has the effect of `first` and then `second`. A feature that `first` makes constant stays so. */
export function composed(first: Affine, second: Affine): Affine {
  return {
    mean: first.mean.map((mean, j) => (first.scale[j] === 0 ? mean : mean + second.mean[j]! / first.scale[j]!)),
    scale: first.scale.map((scale, j) => scale * second.scale[j]!),
  }
}

/** Writes `z = (x - mean) * scale` of rows `[rows, features]` to `into`. */
export function applyAffine(
  values: Uint8Array | Float32Array,
  { mean, scale }: Affine,
  into: { [index: number]: number },
): void {
  const width = mean.length
  for (let from = 0; from < values.length; from += width)
    for (let j = 0; j < width; j++) into[from + j] = (values[from + j]! - mean[j]!) * scale[j]!
}

/** Writes a map into the metadata of a field or schema as `<key>.mean` and `<key>.scale`, JSON lists. */
export function writeAffine(metadata: Map<string, string>, key: string, affine: Affine | undefined): void {
  if (!affine) return
  metadata.set(`${key}.mean`, JSON.stringify([...affine.mean]))
  metadata.set(`${key}.scale`, JSON.stringify([...affine.scale]))
}

/** Reads what `writeAffine` wrote; undefined if there is no map. Throws a SyntaxError if it is damaged. */
export function readAffine(metadata: ReadonlyMap<string, string>, key: string): Affine | undefined {
  const [mean, scale] = ['mean', 'scale'].map((part) => JSON.parse(metadata.get(`${key}.${part}`) ?? 'null'))
  return mean && scale ? { mean: Float64Array.from(mean), scale: Float64Array.from(scale) } : undefined
}

/**
 * Largest `|mean * scale|` for which the map is folded into float32 weights. With larger values, cancellation would
 * lose digits of the features (float32 has about 7), so these features are converted to standardised floats.
 */
const FOLDABLE = 256

/** Whether kernels may fold the map of bytes into float32 weights without losing digits of the features. */
export function isFoldable({ mean, scale }: Affine): boolean {
  return mean.every((center, j) => Math.abs(center * scale[j]!) <= FOLDABLE)
}
