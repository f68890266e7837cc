import type { Arrays, NetworkShape } from '../contract.js'
import { type ArraySpec, arraysOfNetwork, BATCHES_SEEN } from '../network-shape.js'

/** Where an array of parameters lies on the device: its rows are padded with zeros to whole groups of four numbers. */
export interface Place {
  /** The array. */
  readonly spec: ArraySpec
  /** Where it begins, in groups of four. */
  readonly at: number
  /** Its rows; 1 of a vector. */
  readonly rows: number
  /** Numbers in a row. */
  readonly width: number
  /** Groups of four in a row. */
  readonly width4: number
  /** Groups of four in all rows. */
  readonly length4: number
}

/** The arrays of a network, one behind the other in one buffer. */
export interface Layout {
  /** By the names of the arrays. */
  readonly places: ReadonlyMap<string, Place>
  /** Size of the buffer. */
  readonly bytes: number
}

/** The layout of a network. The number of batches seen stays with the host. */
export function layoutOf(shape: NetworkShape): Layout {
  const places = new Map<string, Place>()
  let at = 0
  for (const spec of arraysOfNetwork(shape)) {
    if (spec.name === BATCHES_SEEN) continue
    const [rows, width] = spec.shape.length === 1 ? [1, spec.shape[0]!] : (spec.shape as [number, number])
    const width4 = Math.ceil(width / 4)
    places.set(spec.name, { spec, at, rows, width, width4, length4: rows * width4 })
    at += rows * width4
  }
  return { places, bytes: at * 16 }
}

/** Writes an array to its place in the memory of all. */
export function pack({ at, rows, width, width4 }: Place, values: ArrayLike<number>, into: Float32Array): void {
  const whole = values as Float32Array
  if (width === 4 * width4) into.set(whole, 4 * at)
  else for (let i = 0; i < rows; i++) into.set(whole.subarray(i * width, (i + 1) * width), 4 * (at + i * width4))
}

/** Reads an array from its place in the memory of all. */
export function unpack(
  { at, rows, width, width4 }: Pick<Place, 'at' | 'rows' | 'width' | 'width4'>,
  from: Float32Array,
  into: Arrays[string],
): void {
  for (let i = 0; i < rows; i++) {
    const start = 4 * (at + i * width4)
    into.set(from.subarray(start, start + width), i * width)
  }
}
