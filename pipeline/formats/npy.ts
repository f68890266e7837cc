const kinds = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [Int32Array, '<i4'],
  [BigInt64Array, '<i8'],
])

/** Numbers as an array in NumPy's format, in row-major order; `[]` is the shape of a scalar. */
export function npyOfNumbers(
  values: Float32Array | Float64Array | Int32Array | BigInt64Array,
  shape: readonly number[],
): Uint8Array {
  return npy(kinds.get(values.constructor)!, shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
}

/** Texts as an array of unicode strings, as long as the longest; `[]` is the shape of a scalar. */
export function npyOfTexts(texts: readonly string[], shape: readonly number[] = [texts.length]): Uint8Array {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!))
  const length = Math.max(1, ...points.map((each) => each.length))
  const data = new Uint32Array(length * texts.length)
  for (const [i, each] of points.entries()) data.set(each, i * length)
  return npy(`<U${length}`, shape, new Uint8Array(data.buffer))
}

/** Version 1.0 of the format: magic, version, length of the header, the header as a Python literal, the data at a multiple of 64. */
function npy(type: string, shape: readonly number[], data: Uint8Array): Uint8Array {
  const extents = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${extents}), }`
  const start = Math.ceil((10 + text.length + 1) / 64) * 64
  const bytes = Buffer.alloc(start + data.length, ' ')
  bytes.write('\x93NUMPY\x01\x00', 'latin1')
  bytes.writeUInt16LE(start - 10, 8)
  bytes.write(text, 10, 'latin1')
  bytes.write('\n', start - 1)
  bytes.set(data, start)
  return bytes
}
