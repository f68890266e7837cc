import type { Rows } from '../contract.js'
import type { Gpu, Memory } from './device.js'

/** Rows in the memory of the device, each padded with zeros to whole groups of four values. */
export interface Placed {
  /** The buffer that they lie in. */
  readonly memory: Memory
  /** Where they begin, in elements of the shader's binding. */
  readonly x: number
}

/** The most bytes that are packed or handed over at a time. */
export const PIECE_BYTES = 2 ** 24

/**
 * Writes rows to a buffer, each padded with zeros to `pitch` bytes.
 *
 * @param offset where they begin in the buffer, in bytes
 */
export type Pack = (target: Memory, offset: number, source: Uint8Array, rowBytes: number, pitch: number) => void

/** Bytes of a row, of a padded row, and of an element of the binding. */
export function sizesOf({ BYTES_PER_ELEMENT: width }: Rows['values'], features: number) {
  return { rowBytes: features * width, pitch: 4 * Math.ceil(features / 4) * width, element: width === 1 ? 4 : 16 }
}

/** Copies rows to `into`, from byte `at` on, each padded with zeros to `pitch` bytes. */
export function pad(source: Uint8Array, rowBytes: number, pitch: number, into: Uint8Array, at: number): void {
  if (pitch === rowBytes) {
    into.set(source, at)
    return
  }
  const rows = source.length / rowBytes
  into.fill(0, at, at + rows * pitch)
  for (let i = 0; i < rows; i++) into.set(source.subarray(i * rowBytes, (i + 1) * rowBytes), at + i * pitch)
}

/** Makes the `Pack` of a device. Rows go through memory of its own: the package cannot read memory that is shared. */
export function packer(gpu: Gpu): Pack {
  const piece = new Uint8Array(PIECE_BYTES)
  return (target, offset, source, rowBytes, pitch) => {
    const rows = source.length / rowBytes
    const most = Math.max(1, Math.floor(PIECE_BYTES / pitch))
    const memory = pitch > PIECE_BYTES ? new Uint8Array(pitch) : piece
    for (let first = 0; first < rows; first += most) {
      const count = Math.min(most, rows - first)
      pad(source.subarray(first * rowBytes, (first + count) * rowBytes), rowBytes, pitch, memory, 0)
      gpu.device.queue.writeBuffer(target.buffer, offset + first * pitch, memory, 0, count * pitch)
    }
  }
}
