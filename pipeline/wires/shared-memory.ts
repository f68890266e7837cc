import type { Origin } from '../../kernels/contract.js'
import type { ExampleRows } from './per-row.js'

/** Memory that rows are views of. */
export interface SharedMemory {
  /** All of its whole rows. */
  readonly values: Origin['values']
  /** For each part, the number of its first row in the memory. */
  readonly firsts: readonly number[]
}

/**
 * Returns the memory that all parts are views of, if it is one, and never changes. Rows that are copied from the parts can so
 * be told by their numbers.
 *
 * @param width numbers in a row
 */
export function sharedMemory(parts: readonly ExampleRows[], width: number): SharedMemory | undefined {
  const [like] = parts
  if (!like) return undefined
  const { buffer, byteOffset, BYTES_PER_ELEMENT } = like.values
  const rowBytes = width * BYTES_PER_ELEMENT
  const begin = byteOffset % rowBytes
  const firsts = parts.map(({ values, isFixed }) =>
    isFixed && values.buffer === buffer && values.BYTES_PER_ELEMENT === BYTES_PER_ELEMENT
      ? (values.byteOffset - begin) / rowBytes
      : Number.NaN,
  )
  if (!firsts.every(Number.isInteger)) return undefined
  const length = width * Math.floor((buffer.byteLength - begin) / rowBytes)
  const isBytes = like.values instanceof Uint8Array
  return { values: isBytes ? new Uint8Array(buffer, begin, length) : new Float32Array(buffer, begin, length), firsts }
}
