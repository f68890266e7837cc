/** Copies arrays to `all`, one after the other, and returns it. Throws a RangeError if they do not fit. */
export function filled<A extends Uint8Array | Int32Array | Float32Array | Float64Array>(
  all: A,
  parts: readonly A[],
): A {
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Joins bytes in memory of their own: no Buffer, whose memory may be that of others, too. */
export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  filled<Uint8Array>(all, parts)
  return all
}
