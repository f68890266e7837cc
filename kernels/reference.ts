import { checkNetwork, checkWhole } from './check.js'
import type { Kernels, Moments } from './contract.js'
import { allocating, checkLength } from './memory.js'
import { arraysOfNetwork, widthOf } from './network-shape.js'
import { referenceNetwork } from './reference-network.js'

/**
 * Opens the reference kernels, with which all other kernels are compared: float64, one thread, written like the
 * formulas.
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
      checkNetwork(shape)
      const numbers = arraysOfNetwork(shape).reduce((sum, { shape }) => sum + widthOf(shape), 0)
      return allocating(2 * numbers * 8, () => referenceNetwork(shape))
    },
    moments,
    close: () => {},
  }
}

/** Computes the statistics of rows, see `Kernels.moments`. */
export function moments(values: Uint8Array, features: number): Moments {
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
