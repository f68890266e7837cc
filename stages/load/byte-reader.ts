/**
 * Reads as many bytes at a time as it is asked for, from pieces of any length. What it returns may be overwritten by the next
 * read, if a piece is by the next one.
 */
export class ByteReader {
  /** How many bytes the file has had so far. */
  count = 0
  private readonly pieces: AsyncGenerator<Uint8Array>
  private piece: Uint8Array = new Uint8Array(0)
  private at = 0

  constructor(pieces: AsyncGenerator<Uint8Array>) {
    this.pieces = pieces
  }

  /** How many bytes can be had without another piece of the file. */
  get ready(): number {
    return this.piece.length - this.at
  }

  /** The next `length` bytes, or undefined if the file has less. */
  async read(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = []
    let missing = length
    for (;;) {
      const part = this.piece.subarray(this.at, this.at + missing)
      this.at += part.length
      missing -= part.length
      if (missing === 0 && parts.length === 0) return part
      // The next piece may take its place.
      if (part.length > 0) parts.push(missing === 0 ? part : new Uint8Array(part))
      if (missing === 0) return Buffer.concat(parts)
      const { done, value } = await this.pieces.next()
      if (done) return undefined
      this.piece = value
      this.at = 0
      this.count += value.length
    }
  }

  /** Lets go of the file. */
  async close(): Promise<void> {
    await this.pieces.return(undefined)
  }
}
