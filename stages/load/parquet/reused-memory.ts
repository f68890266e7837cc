/** Bytes that wait to be used again, at most, when memory of another size is needed. */
const MOST_FREE = 32 << 20

/**
 * Memory that is used again: new memory takes as long as what is written there, and Node collects garbage for each 64 MB of it.
 * A piece has the very size that was asked for, because the decoder takes the end of a piece for the end of its column.
 */
export class ReusedMemory {
  private readonly free = new Map<number, ArrayBuffer[]>()
  private freeBytes = 0

  /** A piece of so many bytes, with any content. */
  take(bytes: number): ArrayBuffer {
    const found = this.free.get(bytes)?.pop()
    if (found) {
      this.freeBytes -= bytes
      return found
    }
    if (this.freeBytes > MOST_FREE) {
      this.free.clear()
      this.freeBytes = 0
    }
    return Buffer.allocUnsafeSlow(bytes).buffer as ArrayBuffer
  }

  /** Takes a piece back that nobody needs any more. */
  give(piece: ArrayBuffer): void {
    const alike = this.free.get(piece.byteLength)
    if (alike) alike.push(piece)
    else this.free.set(piece.byteLength, [piece])
    this.freeBytes += piece.byteLength
  }
}
