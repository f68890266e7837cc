import type { Kernels } from '../../pipeline/stage-kit.js'

/** Allocates memory of the kernels for `length` numbers of rows. Throws a RangeError if there is not enough. */
export function rowMemory(
  length: number,
  type: 'uint8' | 'float32',
  kernels: Pick<Kernels, 'allocate'>,
): Uint8Array | Float32Array {
  if (type === 'uint8') return kernels.allocate(length)
  const { buffer, byteOffset } = kernels.allocate(length * Float32Array.BYTES_PER_ELEMENT)
  return new Float32Array(buffer, byteOffset, length)
}
