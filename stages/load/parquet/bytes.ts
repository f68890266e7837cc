import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { type StageContext, turn } from '../../../pipeline/stage-kit.js'

/** Bytes that are hashed between two turns of the event loop, and read at a time where nobody else needs them. */
const PIECE = 1 << 22

/**
 * The bytes of a file, for a reader that asks for ranges of them, and their checksum. A range that follows those before is
 * hashed when it is read, so that a file whose columns are read in their order is read once. What no range has is read for the
 * checksum alone.
 */
export class HashedBytes {
  /** Bytes of the file. */
  readonly byteLength: number
  private readonly handle: FileHandle
  private readonly context: StageContext
  private readonly hash = createHash('sha256')
  /** Up to where the file has been hashed. */
  private at = 0
  /** The end of the last range that was asked for: ranges are hashed one after the other. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(handle: FileHandle, size: number, context: StageContext) {
    this.handle = handle
    this.byteLength = size
    this.context = context
  }

  /** Reads a range without hashing it, such as the end of the file, which is read first. */
  async peek(start: number, end = this.byteLength): Promise<ArrayBuffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(end, this.byteLength) - start))
    await this.fill(bytes, start)
    return bytes.buffer
  }

  /** Fills `range` with the bytes from `start` on. Throws an Error if the file became shorter, and an AbortError if the run is stopped. */
  read(start: number, range: ArrayBuffer): Promise<void> {
    const read = this.last.then(async () => {
      await this.hashTo(start)
      const bytes = Buffer.from(range)
      await this.fill(bytes, start)
      await this.add(bytes, start)
    })
    this.last = read.catch(() => {})
    return read
  }

  /** Hashes what is left of the file. Returns the checksum (SHA-256). */
  async digest(): Promise<string> {
    await this.last
    await this.hashTo(this.byteLength)
    return this.hash.digest('hex')
  }

  /** Reads and hashes what lies before a range. */
  private async hashTo(end: number): Promise<void> {
    const piece = this.at < end ? Buffer.allocUnsafeSlow(Math.min(PIECE, end - this.at)) : undefined
    while (piece && this.at < end) {
      const bytes = piece.subarray(0, Math.min(piece.length, end - this.at))
      await this.fill(bytes, this.at)
      await this.add(bytes, this.at)
    }
  }

  /** Hashes the bytes from `start` on that were not hashed before. */
  private async add(bytes: Uint8Array, start: number): Promise<void> {
    for (const end = start + bytes.length; this.at < end; ) {
      const from = this.at - start
      const piece = bytes.subarray(from, from + PIECE)
      this.hash.update(piece)
      this.at += piece.length
      await turn(this.context)
    }
  }

  private async fill(bytes: Buffer, start: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.handle.read(bytes, at, bytes.length - at, start + at)
      if (bytesRead === 0) throw new Error('parquet file became shorter')
      at += bytesRead
    }
  }
}
