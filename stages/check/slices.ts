import type { Kernels, Parameters, Rows } from '../../kernels/index.js'

/** How many rows one call of a kernel should take, see `Kernels.slice`. */
export function sliceSize(kernels: Kernels, { W }: Parameters): number {
  return Math.max(1, Math.floor(kernels.slice / W.length))
}

/** The same rows in parts of at most `most`: views, nothing is copied. */
export function* slices({ values, labels, affine }: Rows, most: number): Generator<Rows> {
  const width = values.length / labels.length
  for (let from = 0; from < labels.length; from += most) {
    const to = Math.min(labels.length, from + most)
    yield { values: values.subarray(from * width, to * width), labels: labels.subarray(from, to), affine }
  }
}
