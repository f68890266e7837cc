import { affineOf } from './check.js'
import type { Kernels, NetworkShape, Rows } from './contract.js'
import { workOfRow } from './network-shape.js'

/**
 * Returns the most rows that one call should get, see `Kernels.slice`. A row counts as `(inputs + 128) × units` for each
 * layer (default: one layer with a unit per class), because the softmax costs as much as the multiply-adds of about a
 * hundred inputs.
 */
export function rowsPerCall(
  { slice }: Pick<Kernels, 'slice'>,
  {
    features,
    classes,
    layers,
  }: { readonly features: number; readonly classes: number; readonly layers?: NetworkShape['layers'] },
): number {
  return Math.max(1, Math.floor(slice / workOfRow({ features, layers: layers ?? [{ units: classes }] })))
}

/** Cuts rows into parts of at most `most` rows. The parts are views; nothing is copied. */
export function* slices(rows: Rows, most: number): Generator<Rows> {
  const { values, labels, affine, weights, masks, isFixed, origin } = rows
  const width = values.length / labels.length
  for (let from = 0; from < labels.length; from += most) {
    const to = Math.min(labels.length, from + most)
    const part = {
      values: values.subarray(from * width, to * width),
      labels: labels.subarray(from, to),
      affine,
      isFixed,
      origin: origin && { ...origin, rows: origin.rows.subarray(from, to) },
    }
    if (!weights && !masks) yield part
    else
      yield {
        ...part,
        weights: weights?.subarray(from, to),
        masks: masks?.map((mask) => {
          const units = mask ? mask.length / labels.length : 0
          return mask?.subarray(from * units, to * units)
        }),
      }
  }
}

/** Returns the number of rows of all parts together. */
export function countRows(parts: readonly Rows[]): number {
  return parts.reduce((sum, { labels }) => sum + labels.length, 0)
}

/**
 * Copies row `i` to `into` in float64, one number per feature. Applies the affine map of the rows if they carry one.
 */
export function readRow(rows: Rows, i: number, into: Float64Array): void {
  const { values } = rows
  const affine = affineOf(rows)
  const from = i * into.length
  if (!affine) {
    for (let j = 0; j < into.length; j++) into[j] = values[from + j]!
    return
  }
  for (let j = 0; j < into.length; j++) into[j] = (values[from + j]! - affine.mean[j]!) * affine.scale[j]!
}
