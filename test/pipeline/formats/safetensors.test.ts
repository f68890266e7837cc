import fc from 'fast-check'
import t from 'tap'
import { decodeTensors, encodeTensors, type Tensor } from '../../../dist/pipeline/formats/safetensors.js'

const arrays = [
  fc.float32Array(),
  fc.float64Array(),
  fc.uint8Array(),
  fc.int8Array(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
] as fc.Arbitrary<Tensor['values']>[]

const tensor = fc
  .tuple(fc.oneof(...arrays), fc.boolean())
  .map(([values, flat]): Tensor => ({ shape: flat ? [values.length] : [1, values.length, 1], values }))

const name = fc.string({ unit: 'binary' }).filter((text) => text !== '__metadata__' && text !== '__proto__')
const tensors = fc.uniqueArray(fc.tuple(name, tensor), { selector: ([name]) => name, maxLength: 6 })
const metadata = fc.uniqueArray(fc.tuple(fc.string(), fc.string()), { selector: ([key]) => key, maxLength: 4 })

/** A file with this header and `size` bytes of data. */
function file(header: string, size = 0): Uint8Array {
  const text = Buffer.from(header)
  const bytes = Buffer.alloc(8 + text.length + size)
  bytes.writeBigUInt64LE(BigInt(text.length))
  text.copy(bytes, 8)
  return bytes
}

function bytesOf(values: Tensor['values']): number[] {
  return [...new Uint8Array(values.buffer, values.byteOffset, values.byteLength)]
}

t.test('tensors read back as they were written, bit for bit and in order', async (t) => {
  fc.assert(
    fc.property(tensors, metadata, (entries, pairs) => {
      const bytes = encodeTensors(new Map(entries), new Map(pairs))
      const read = decodeTensors(bytes)
      t.strictSame([...read.metadata], pairs)
      t.strictSame(
        [...read.tensors.keys()],
        entries.map(([name]) => name),
      )
      for (const [name, { shape, values }] of entries) {
        const found = read.tensors.get(name)!
        t.strictSame(found.shape, shape)
        t.equal(found.values.constructor, values.constructor)
        t.strictSame(bytesOf(found.values), bytesOf(values))
      }
      t.strictSame(encodeTensors(read.tensors, read.metadata), bytes)
    }),
    { numRuns: 300 },
  )
})

t.test('the layout is that of the format', async (t) => {
  const bytes = encodeTensors(
    new Map<string, Tensor>([
      ['b', { shape: [3], values: new Uint8Array([1, 2, 3]) }],
      ['0', { shape: [], values: new Float64Array([0.5]) }],
      ['W', { shape: [1, 2], values: new Float32Array([1, -2]) }],
    ]),
    new Map([['format', 'né']]),
  )
  const size = Number(Buffer.from(bytes).readBigUInt64LE())
  const header = Buffer.from(bytes.subarray(8, 8 + size)).toString()
  t.equal(size % 8, 0)
  t.equal(
    header.trimEnd(),
    '{"__metadata__":{"format":"né"},"b":{"dtype":"U8","shape":[3],"data_offsets":[16,19]},' +
      '"0":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"W":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}',
  )
  const data = Buffer.from(bytes.subarray(8 + size))
  t.strictSame([data.readDoubleLE(0), data.readFloatLE(8), data.readFloatLE(12)], [0.5, 1, -2])
  t.strictSame([...data.subarray(16)], [1, 2, 3])
})

t.test('values may be a part of a larger buffer, and a file may start at any byte of a buffer', async (t) => {
  const shared = new Float32Array(new SharedArrayBuffer(40)).fill(7).subarray(3, 5)
  const bytes = encodeTensors(new Map([['a', { shape: [2], values: shared }]]))
  const moved = new Uint8Array(bytes.length + 3)
  moved.set(bytes, 3)
  for (const given of [moved.subarray(3), Buffer.from(bytes)]) {
    const { values } = decodeTensors(given).tensors.get('a')!
    t.strictSame(values, new Float32Array([7, 7]))
    given.fill(0)
    t.strictSame(values, new Float32Array([7, 7]), 'a copy')
  }
})

t.test('headers of other programs may have any order and spacing', async (t) => {
  const { tensors, metadata } = decodeTensors(
    file(
      ' { "a" : {"data_offsets":[4,4], "shape":[0, 5], "dtype":"F32"},\n"b":{"shape":[4],"dtype":"U8","data_offsets":[0,4]} }  ',
      4,
    ),
  )
  t.strictSame([...tensors.keys()], ['a', 'b'])
  t.strictSame(tensors.get('a'), { shape: [0, 5], values: new Float32Array() })
  t.equal(metadata.size, 0)
  t.equal(decodeTensors(file('{}')).tensors.size, 0)
})

t.test('a wrong file is refused with the reason', async (t) => {
  const entry = (type: string, shape: string, offsets: string) =>
    `{"dtype":"${type}","shape":${shape},"data_offsets":${offsets}}`
  for (const [bytes, message] of [
    [new Uint8Array(), 'the file is cut off: 0 bytes, expected at least 8'],
    [file('{}').subarray(0, 9), 'the file is cut off: the header claims 2 bytes, 1 are there'],
    [new Uint8Array(9).fill(255), 'the header claims 18446744073709551615 bytes, at most 100000000 are allowed'],
    [file('{'), /^the header is damaged: offset 1: expected a string, found the end/],
    [
      file('{"a\xff":1}').map((byte) => (byte === 0xc3 ? 0xff : byte)),
      /^the header is damaged: .*encoded data was not valid/,
    ],
    [file('\ufeff{}'), /^the header is damaged: offset 0: expected a value/],
    [file('[]'), 'the header is damaged: expected an object'],
    [file('{"a":[[[[]]]]}'), /^the header is damaged: offset 7: nested more than 3 deep/],
    [file('{"a":1,"a":1}'), 'the header is damaged: offset 7: duplicate key "a"'],
    [file('{"__proto__":{}}'), 'no tensor can have the name "__proto__"'],
    [file('{"__metadata__":3}'), '__metadata__: expected an object'],
    [file('{"__metadata__":{"a":3}}'), '__metadata__: "a": expected a string'],
    [file('{"a":3}'), '"a": expected an object of dtype, shape and data_offsets'],
    [file('{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}}', 1), /^"a": expected an object of dtype/],
    [file(`{"a":${entry('U8', '[-1]', '[0,1]')}}`, 1), /^"a": expected an object of dtype/],
    [file(`{"a":${entry('U8', '[0.5]', '[0,1]')}}`, 1), /^"a": expected an object of dtype/],
    [file(`{"a":${entry('U8', '[1]', '[0,1,2]')}}`, 1), /^"a": expected an object of dtype/],
    [file(`{"a":${entry('BF16', '[1]', '[0,2]')}}`, 2), /^"a": numbers of type "BF16" cannot be read; known are U8, /],
    [file(`{"a":${entry('toString', '[1]', '[0,2]')}}`, 2), /^"a": numbers of type "toString" cannot be read/],
    [file(`{"a":${entry('F32', '[2]', '[0,4]')}}`, 4), '"a": F32 in shape [2] takes 8 bytes, its offsets 0 … 4'],
    [file(`{"a":${entry('U8', '[2]', '[2,0]')}}`, 4), '"a": U8 in shape [2] takes 2 bytes, its offsets 2 … 0'],
    [
      file(`{"a":${entry('U8', '[1000000,1000000,1000000,1]', '[0,4]')}}`, 4),
      /^"a": no tensor can have the shape \[1000000,/,
    ],
    [
      file(`{"a":${entry('F64', '[100000000000]', '[0,800000000000]')}}`, 4),
      'the file is cut off: the tensors take 800000000000 bytes, 4 are there',
    ],
    [
      file(`{"a":${entry('U8', '[2]', '[0,2]')},"b":${entry('U8', '[2]', '[1,3]')}}`, 3),
      '"b": starts at byte 1 of the numbers, expected 2',
    ],
    [file(`{"a":${entry('U8', '[2]', '[1,3]')}}`, 3), '"a": starts at byte 1 of the numbers, expected 0'],
    [file(`{"a":${entry('U8', '[2]', '[0,2]')}}`, 3), 'expected no bytes after the last tensor, got 1'],
  ] as const)
    t.throws(() => decodeTensors(bytes), { message }, String(message))
})

t.test('wrong shapes and reserved names are refused', async (t) => {
  const values = new Float32Array(2)
  for (const [name, shape, message] of [
    ['a', [3], '"a": its shape [3] does not hold 2 values'],
    ['a', [-1, -2], '"a": no tensor can have the shape [-1,-2]'],
    ['__metadata__', [2], 'no tensor can have the name "__metadata__"'],
    ['__proto__', [2], 'no tensor can have the name "__proto__"'],
  ] as const)
    t.throws(() => encodeTensors(new Map([[name, { shape, values }]])), { message })
})

t.test('random bytes and damaged files give an Error, or tensors no larger than the file', async (t) => {
  const survives = (bytes: Uint8Array): void => {
    let read: ReturnType<typeof decodeTensors>
    try {
      read = decodeTensors(bytes)
    } catch (error) {
      if (!(error instanceof Error) || error.constructor !== Error) throw error
      return
    }
    let size = 0
    for (const { values } of read.tensors.values()) size += values.byteLength
    if (size > bytes.length) throw new Error('more values than bytes')
  }
  const sound = fc.tuple(tensors, metadata).map(([entries, pairs]) => encodeTensors(new Map(entries), new Map(pairs)))
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), survives), { numRuns: 500 })
  fc.assert(
    fc.property(fc.json(), fc.nat(9), (header, size) => survives(file(header, size))),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(sound, fc.nat(), (bytes, length) => survives(bytes.subarray(0, length % bytes.length))),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(sound, fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 3 }), (bytes, flips) => {
      for (const [at, bit] of flips) bytes[at % bytes.length]! ^= 1 << bit
      survives(bytes)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
