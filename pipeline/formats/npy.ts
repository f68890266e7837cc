/** NumPy's names of element types. */
const typeNames = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
  [Int32Array, '<i4'],
  [BigInt64Array, '<i8'],
])

/** The most bytes of an array of texts. NumPy pads all of them to the longest. */
const MOST = 2 ** 30

/** Encodes numbers in row-major order as a `.npy` file. The shape `[]` is that of a scalar. */
export function npyOfNumbers(
  values: Float32Array | Float64Array | Int32Array | BigInt64Array,
  shape: readonly number[],
): Uint8Array {
  const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  return encode(typeNames.get(values.constructor)!, shape, data)
}

/** Encodes texts as a `.npy` file of unicode strings, padded to the longest. The shape `[]` is that of a scalar. */
export function npyOfTexts(texts: readonly string[], shape: readonly number[] = [texts.length]): Uint8Array {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!))
  const length = points.reduce((longest, each) => Math.max(longest, each.length), 1)
  const bytes = 4 * length * texts.length
  if (bytes > MOST)
    throw new Error(
      `${texts.length} texts of up to ${length} characters take ${bytes} bytes as a NumPy array, ${MOST} are the most`,
    )
  const data = new Uint32Array(length * texts.length)
  for (const [i, each] of points.entries()) data.set(each, i * length)
  return encode(`<U${length}`, shape, new Uint8Array(data.buffer))
}

/**
 * Encodes an array in version 1.0 of NumPy's format (NEP 1): a magic text, the version, the length of the header, the
 * header as a Python literal, and the data, aligned to 64 bytes.
 */
function encode(type: string, shape: readonly number[], data: Uint8Array): Uint8Array {
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
