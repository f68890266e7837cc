import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { encode } from 'fast-png'
import { zipSync } from 'fflate'
import { npyOfNumbers, npyOfTexts } from '../../dist/pipeline/formats/npy.js'
import { cifar10 } from '../../dist/stages/load/cifar10.js'
import { images } from '../../dist/stages/load/images.js'
import { numpy } from '../../dist/stages/load/numpy.js'
import { load } from './load.js'
import { mutated } from './mutations.js'

const bytes = (text) => Buffer.from(text, 'latin1')
const u32 = (value) => Buffer.from(Uint32Array.of(value).buffer)

const labels = npyOfNumbers(Int32Array.of(0, 1, 0), [3])
const features = [
  npyOfNumbers(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]),
  npyOfNumbers(Float64Array.of(1, 2, 3), [3, 1]),
  npyOfNumbers(BigInt64Array.of(1n, 2n ** 60n, 3n), [3]),
  npyOfTexts(['a', 'b', 'c']),
]
const archives = [0, 6].flatMap((level) =>
  features.map((x) => Buffer.from(zipSync({ 'x.npy': x, 'y.npy': labels }, { level }))),
)
const npyTokens = [
  '<f4',
  '>f8',
  '|O',
  '<U9',
  '(3, 2)',
  '(3, 999999999)',
  '(0,)',
  'True',
  'False',
  "'descr'",
  '__proto__',
].map(bytes)
const zipTokens = [
  bytes('PK\x01\x02'),
  bytes('PK\x05\x06'),
  bytes('PK\x06\x06'),
  u32(0xffffffff),
  bytes('\0\0\0\0'),
  bytes('y.npy'),
]

const pixels = Buffer.alloc(3072, Buffer.from([1, 2, 3]))
/** A pickled dictionary of an image and its label, as Python 2 writes it. */
const pickle = Buffer.concat([
  bytes(
    '\x80\x02}(U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x01M\x00\x0c\x86',
  ),
  bytes('cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T'),
  u32(3072),
  pixels,
  bytes('tbU\x06labels](K\x03eu.'),
])
const pickleTokens = [
  'cos\nsystem\n',
  'U\x02ls\x85R',
  'R',
  'b',
  's',
  'u',
  '(',
  't',
  ']',
  '}',
  'q\x00',
  'h\x00',
  '\x94',
  '\x93',
  '\x81',
  'U\x09__proto__',
  '\x8a\x08',
  'T\xff\xff\xff\xff',
  '\x96',
  '.',
].map(bytes)

const element = (type, data) =>
  Buffer.concat([u32(type), u32(data.length), data, Buffer.alloc(type === 15 ? 0 : (8 - (data.length % 8)) % 8)])
const matrix = (name, rows, columns, values) =>
  element(
    14,
    Buffer.concat([
      element(6, bytes('\x09\0\0\0\0\0\0\0')),
      element(5, Buffer.concat([u32(rows), u32(columns)])),
      element(1, bytes(name)),
      element(2, values),
    ]),
  )
const matHeader = Buffer.concat([bytes('MATLAB 5.0'.padEnd(124)), bytes('\0\x01IM')])
const matArrays = [matrix('data', 1, 3072, pixels), matrix('labels', 1, 1, Buffer.from([3]))]
const mats = [
  Buffer.concat([matHeader, ...matArrays]),
  Buffer.concat([matHeader, ...matArrays.map((array) => element(15, deflateSync(array)))]),
]
const matTokens = [
  u32(14),
  u32(15),
  u32(6),
  u32(0xffffffff),
  u32(0x00040001),
  u32(9),
  bytes('data'),
  bytes('MI'),
  bytes('IM'),
]

const pngs = [
  { depth: 8, channels: 3 },
  { depth: 16, channels: 4 },
  { depth: 1, channels: 1 },
  { depth: 8, channels: 2 },
].map(({ depth, channels }) => {
  const Values = depth === 16 ? Uint16Array : Uint8Array
  const length = depth === 1 ? 4 : 16 * channels
  return Buffer.from(encode({ width: 4, height: 4, depth, channels, data: Values.from({ length }, (_, i) => 7 * i) }))
})
const pngTokens = [
  'IHDR',
  'IDAT',
  'PLTE',
  'tRNS',
  'IEND',
  'iCCP',
  '\0\0\0\x04',
  '\xff\xff\xff\xff',
  '\x10\x03',
  '\x01\x00',
].map(bytes)

async function loadNumpy({ content, name }, folder) {
  writeFileSync(join(folder, name), content)
  writeFileSync(join(folder, 'labels.npy'), labels)
  const path = join(folder, name)
  return load(
    numpy,
    { path, ...(!name.endsWith('.npz') && { labels: join(folder, 'labels.npy') }) },
    `${name}|labels.npy`,
  )
}

async function loadCifar({ content }, folder) {
  writeFileSync(join(folder, 'batch'), content)
  return load(cifar10, { directory: folder, train: ['batch'] }, 'batch')
}

async function loadImages({ content, options }, folder) {
  const path = join(folder, 'images')
  rmSync(path, { recursive: true, force: true })
  mkdirSync(join(path, 'a'), { recursive: true })
  writeFileSync(join(path, 'a', '1.png'), pngs[0])
  writeFileSync(join(path, 'a', '2.png'), content)
  return load(images, { path, corrupt: 'error', ...options }, '2.png')
}

const contents = (seeds, tokens, more = {}) => fc.record({ content: mutated(seeds, tokens), ...more })

/** The readers of files of arrays and images. */
export const arrayFiles = [
  { name: 'NumPy', weight: 8, inputs: contents(features, npyTokens, { name: fc.constant('x.npy') }), check: loadNumpy },
  {
    name: 'NumPy, packed',
    weight: 2,
    inputs: contents(
      features.map((file) => gzipSync(file)),
      npyTokens,
      { name: fc.constant('x.npy.gz') },
    ),
    check: loadNumpy,
  },
  {
    name: 'NumPy archive',
    weight: 8,
    inputs: contents(archives, zipTokens, { name: fc.constant('a.npz') }),
    check: loadNumpy,
  },
  { name: 'CIFAR, Python', weight: 8, inputs: contents([pickle], pickleTokens), check: loadCifar },
  { name: 'CIFAR, MATLAB', weight: 6, inputs: contents(mats, matTokens), check: loadCifar },
  {
    name: 'PNG images',
    weight: 6,
    inputs: contents(pngs, pngTokens, { options: fc.constantFrom({}, { shape: [3, 2, 2] }, { shape: [1, 5, 3] }) }),
    check: loadImages,
  },
]
