/**
 * Writes messages of protocol buffers (https://protobuf.dev/programming-guides/encoding), the encoding of ONNX files: each
 * field is its number and kind as a varint, then a varint, or a length and bytes. Reading is left to others.
 */

/** A field: its number, and a whole number, a text, bytes, or the fields of a message. */
export type ProtoField = readonly [number: number, value: number | string | Uint8Array | readonly ProtoField[]]

/** Kinds of fields on the wire. */
const VARINT = 0
const BYTES = 2

/** Encodes a message. Whole numbers must be from 0 to 2⁵³ - 1. Throws a RangeError for others. */
export function protobuf(fields: readonly ProtoField[]): Buffer {
  return Buffer.concat(fields.flatMap(encoded))
}

function encoded([number, value]: ProtoField): Uint8Array[] {
  if (typeof value === 'number') return [varint(number * 8 + VARINT), varint(value)]
  const bytes = typeof value === 'string' ? Buffer.from(value) : value instanceof Uint8Array ? value : protobuf(value)
  return [varint(number * 8 + BYTES), varint(bytes.length), bytes]
}

/** Seven bits a byte, the lowest first; the highest bit of a byte says that more follow. */
function varint(value: number): Uint8Array {
  if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`expected a whole number from 0, got ${value}`)
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest])
    bytes.push((rest % 128) + 128)
  }
}
