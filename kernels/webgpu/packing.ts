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

/** Makes the `Pack` of a device. Rows go through memory of its own: the package cannot read memory that is shared. */
export function packer(gpu: Gpu): Pack {
  const piece = new Uint8Array(PIECE_BYTES)
  return (target, offset, source, rowBytes, pitch) => {
    const rows = source.length / rowBytes
    const most = Math.max(1, Math.floor(PIECE_BYTES / pitch))
    if (pitch > PIECE_BYTES) {
      const row = new Uint8Array(pitch)
      for (let i = 0; i < rows; i++) {
        row.set(source.subarray(i * rowBytes, (i + 1) * rowBytes))
        gpu.device.queue.writeBuffer(target.buffer, offset + i * pitch, row)
      }
      return
    }
    for (let first = 0; first < rows; first += most) {
      const count = Math.min(most, rows - first)
      if (pitch === rowBytes) piece.set(source.subarray(first * rowBytes, (first + count) * rowBytes))
      else {
        piece.fill(0, 0, count * pitch)
        for (let i = 0; i < count; i++)
          piece.set(source.subarray((first + i) * rowBytes, (first + i + 1) * rowBytes), i * pitch)
      }
      gpu.device.queue.writeBuffer(target.buffer, offset + first * pitch, piece, 0, count * pitch)
    }
  }
}
