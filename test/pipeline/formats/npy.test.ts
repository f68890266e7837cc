import t from 'tap'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'

/** The header and the data of a file. */
function parts(bytes: Uint8Array): { header: string; data: Buffer } {
  const buffer = Buffer.from(bytes)
  t.equal(buffer.toString('latin1', 0, 8), '\x93NUMPY\x01\x00')
  const start = 10 + buffer.readUInt16LE(8)
  t.equal(start % 64, 0, 'the data is aligned')
  return { header: buffer.toString('latin1', 10, start), data: buffer.subarray(start) }
}

t.test('numbers carry their type and shape', (t) => {
  for (const [values, shape, expected] of [
    [Float32Array.of(1, 2), [2], "'<f4', 'fortran_order': False, 'shape': (2,)"],
    [Float64Array.of(1, 2), [1, 2], "'<f8', 'fortran_order': False, 'shape': (1, 2)"],
    [Int32Array.of(1), [], "'<i4', 'fortran_order': False, 'shape': ()"],
    [BigInt64Array.of(), [0, 3], "'<i8', 'fortran_order': False, 'shape': (0, 3)"],
  ] as const) {
    const { header, data } = parts(npyOfNumbers(values, shape))
    t.equal(header.trimEnd(), `{'descr': ${expected}, }`)
    t.ok(header.endsWith(' \n') || header.endsWith('}\n'))
    t.strictSame([...data], [...new Uint8Array(values.buffer)])
  }
  t.end()
})

t.test('only the viewed part of a larger buffer is written', (t) => {
  const { data } = parts(npyOfNumbers(Float32Array.of(1, 2, 3, 4).subarray(1, 3), [2]))
  t.strictSame([data.length, data.readFloatLE(0), data.readFloatLE(4)], [8, 2, 3])
  t.end()
})

t.test('texts are code points, padded to the longest', (t) => {
  const { header, data } = parts(npyOfTexts(['é☃', '𝒳', '']))
  t.match(header, "{'descr': '<U2', 'fortran_order': False, 'shape': (3,), }")
  t.strictSame([...new Uint32Array(new Uint8Array(data).buffer)], [0xe9, 0x2603, 0x1d4b3, 0, 0, 0])
  t.match(parts(npyOfTexts([])).header, "'<U1', 'fortran_order': False, 'shape': (0,)")
  t.match(parts(npyOfTexts(['abc'], [])).header, "'<U3', 'fortran_order': False, 'shape': ()")
  t.end()
})

t.test('many texts are written', async (t) => {
  const texts = Array.from({ length: 200_000 }, (_, i) => String(i % 10))
  t.ok(npyOfTexts(texts).length > 4 * texts.length)
})

t.test('texts that take too much when all are padded to the longest are refused', async (t) => {
  const texts = Array.from({ length: 30_000 }, () => 'a')
  texts[7] = 'b'.repeat(10_000)
  t.throws(() => npyOfTexts(texts), {
    message: '30000 texts of up to 10000 characters take 1200000000 bytes as a NumPy array, 1073741824 are the most',
  })
})
