import { execFileSync, spawnSync } from 'node:child_process'
import t from 'tap'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import { isNpy, readNpy, readNpyHeader } from '../../../dist/pipeline/formats/npy-read.js'

/** A `.npy` file with this header, of version 1 unless told otherwise, and these bytes of data. */
function npy(header: string, data: Uint8Array | number[] = [], version = 1): Buffer {
  const text = Buffer.from(header)
  const length = version === 1 ? Buffer.alloc(2) : Buffer.alloc(4)
  if (version === 1) length.writeUInt16LE(text.length)
  else length.writeUInt32LE(text.length)
  return Buffer.concat([
    Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'),
    length,
    text,
    Buffer.from(data),
  ])
}

const header = (type: string, shape: string, fortran = 'False') =>
  `{'descr': '${type}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`

t.test('arrays that Millrace wrote read back', (t) => {
  for (const [values, shape] of [
    [Float32Array.of(1.5, -2, 0, 4, 5, 6), [2, 3]],
    [Float64Array.of(1e300, Number.NaN), [2]],
    [Int32Array.of(-1), []],
    [BigInt64Array.of(2n ** 62n), [1]],
    [BigInt64Array.of(), [0, 3]],
  ] as const)
    t.strictSame(readNpy(npyOfNumbers(values, shape)), { shape, values })
  t.strictSame(readNpy(npyOfTexts(['é☃', '𝒳', ''])), { shape: [3], values: ['é☃', '𝒳', ''] })
  t.end()
})

t.test('types, byte orders, versions and orders of the axes', (t) => {
  const cases: [bytes: Buffer, values: ArrayLike<unknown>][] = [
    [npy(header('|u1', '(2,)'), [1, 255]), Uint8Array.of(1, 255)],
    [npy(header('|b1', '(3,)'), [0, 1, 2]), Uint8Array.of(0, 1, 1)],
    [npy(header('|i1', '(2,)'), [1, 255]), Int8Array.of(1, -1)],
    [npy(header('<u2', '(1,)'), [1, 2]), Uint16Array.of(513)],
    [npy(header('>i2', '(1,)'), [255, 254]), Int16Array.of(-2)],
    [npy(header('>u4', '(1,)'), [0, 0, 1, 0]), Uint32Array.of(256)],
    [npy(header('>f8', '(1,)'), [0x3f, 0xf8, 0, 0, 0, 0, 0, 0]), Float64Array.of(1.5)],
    [npy(header('<u8', '(1L,)'), [1, 0, 0, 0, 0, 0, 0, 128]), BigUint64Array.of(2n ** 63n + 1n)],
    // 1.5, the smallest positive, the largest, minus infinity
    [
      npy(header('<f2', '(4,)'), [0, 0x3e, 1, 0, 0xff, 0x7b, 0, 0xfc]),
      Float32Array.of(1.5, 2 ** -24, 65504, Number.NEGATIVE_INFINITY),
    ],
    [npy(header('|S3', '(2,)'), Buffer.from('ab\0é\0')), ['ab', 'é']],
    [npy(header('>U1', '(2,)'), [0, 0, 0, 65, 0, 0xff, 0, 0]), ['A', '\ufffd']],
    [npy(header('|u1', '(2, 3)', 'True'), [1, 4, 2, 5, 3, 6]), Uint8Array.of(1, 2, 3, 4, 5, 6)],
    [npy(header('|u1', '(1, 2)'), [7, 8], 2), Uint8Array.of(7, 8)],
    [npy(header('|u1', '()'), [7], 3), Uint8Array.of(7)],
  ]
  for (const [bytes, values] of cases) t.strictSame(readNpy(bytes).values, values, bytes.toString('latin1', 10, 50))
  t.end()
})

t.test('the header may come piece by piece', (t) => {
  const bytes = npy(header('<f4', '(2, 2)'), new Uint8Array(16))
  t.ok(isNpy(bytes))
  t.notOk(isNpy(Buffer.from('PK')))
  let needed = readNpyHeader(bytes.subarray(0, 3))
  while (typeof needed === 'number') needed = readNpyHeader(bytes.subarray(0, needed))
  t.match(needed, { type: '<f4', kind: 'f', size: 4, shape: [2, 2], length: 4, start: bytes.length - 16 })
  t.end()
})

t.test('files that are damaged or hold something else are refused', (t) => {
  const cases: [bytes: Uint8Array, message: string][] = [
    [Buffer.from('a,b\n1,2\n'), 'expected the magic text \\x93NUMPY of a .npy file'],
    [Buffer.from('\x93NUMPY\x09\x00', 'latin1'), 'expected version 1, 2 or 3 of the .npy format, found 9.0'],
    [
      npy(header('<f4', '(2,)')).subarray(0, 20),
      'the file ends within its header: expected 68 bytes or more, found 20',
    ],
    [npy(header('<f4', '(2,)'), [0, 0, 0]), 'expected 76 bytes (2 of <f4), found 71'],
    [npy(header('|u1', '(2,)'), [0, 0, 0]), 'expected 70 bytes (2 of |u1), found 71'],
    [npy('{}'), 'expected a header with descr, fortran_order and shape'],
    [npy(header('|u1', '(-1,)')), 'expected a header with descr, fortran_order and shape'],
    [npy(header('|u1', '(99999999999, 99999999999)')), 'the shape (99999999999, 99999999999) is too large'],
    [
      npy(header('|O', '(2,)')),
      "cannot read elements of the type '|O'; they are Python objects, which are pickled programs; save an array of numbers or texts",
    ],
    [
      npy(header('<c8', '(2,)')),
      "cannot read elements of the type '<c8'; they are complex numbers; save their parts as an axis",
    ],
    [
      npy(header('<f16', '(2,)')),
      "cannot read elements of the type '<f16'; save the array as integers, floats of 16 to 64 bits, truth values or texts",
    ],
    [
      npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"),
      'cannot read structures; they are raw bytes or structures; save one array per field',
    ],
    [
      Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\x7f', 'latin1'),
      'expected a header of at most 65536 bytes, found 2147483647',
    ],
  ]
  for (const [bytes, message] of cases) t.throws(() => readNpy(bytes), { message }, message)
  t.end()
})

const python = '/usr/bin/python3'
const hasNumPy = spawnSync(python, ['-c', 'import numpy']).status === 0
t.test('arrays that NumPy wrote', { skip: hasNumPy ? false : 'NumPy is not installed' }, (t) => {
  const script = `
import io, sys, base64, numpy as np
x = np.arange(24).reshape(2, 3, 4)
for a in [x.astype(k) for k in ('u1', '>u2', '<i8', '>f4', 'f8', 'f2')] + [np.asfortranarray(x.astype('f4')), np.array(['a', 'ßx'])]:
  f = io.BytesIO(); np.save(f, a); print(base64.b64encode(f.getvalue()).decode())`
  const files = execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim().split('\n')
  const counting = Array.from({ length: 24 }, (_, i) => i)
  for (const file of files.slice(0, 7)) {
    const { shape, values } = readNpy(Buffer.from(file, 'base64'))
    t.strictSame([shape, Array.from(values as ArrayLike<number | bigint>, Number)], [[2, 3, 4], counting])
  }
  t.strictSame(readNpy(Buffer.from(files[7]!, 'base64')), { shape: [2], values: ['a', 'ßx'] })
  t.end()
})
