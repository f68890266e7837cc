import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { cifar10 } from '../../dist/stages/load/cifar10.js'
import { csv } from '../../dist/stages/load/csv.js'
import { idx } from '../../dist/stages/load/idx.js'
import { csvReaders } from './csv-readers.js'
import { load } from './load.js'
import { absurdNumbers, mutated, prototypeKeys } from './mutations.js'
import { tableFiles } from './table-files.js'

const RECORD = 3073
const records = [0, 1, 2, 5].map((count) =>
  Buffer.alloc(count * RECORD, Buffer.from(Array.from({ length: RECORD }, (_, i) => i % 10))),
)
const packed = records.map((bytes) => gzipSync(bytes))
const bytesOf = [Buffer.alloc(RECORD), Buffer.from([255]), Buffer.from([0x1f, 0x8b]), Buffer.alloc(RECORD - 1)]

/** IDX files of images and of labels: a magic number, the sizes, the bytes. */
const idxOf = (...sizes) =>
  Buffer.concat([
    Buffer.from([0, 0, 8, sizes.length, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255])]),
    Buffer.alloc(
      sizes.reduce((a, b) => a * b),
      Buffer.from([0, 1, 2, 1]),
    ),
  ])
const idxPairs = [
  [idxOf(5, 2, 3), idxOf(5)],
  [idxOf(1, 4), idxOf(1)],
  [idxOf(300, 2, 2), idxOf(300)],
  [idxOf(2, 3, 2, 2), idxOf(2)],
]
const idxTokens = [[0, 0, 8, 3], [0, 0, 8, 1], [0, 0, 13, 3], [0, 0, 0, 5], [255, 255, 255, 255], [0], [9, 9]].map(
  (bytes) => Buffer.from(bytes),
)

const tables = [
  'a,b,label\n1,2,x\n3,4,y\n5,6,x\n7,8,y\n',
  '0.5;1e3;0\n-1;.5;1\n+2;5.;0\n1;2;1\n',
  `${Array.from({ length: 50 }, (_, i) => `f${i}`).join()},class\n${`${Array(50).fill('1').join()},0\n`.repeat(5)}`,
  '__proto__,constructor,toString\n1,2,__proto__\n3,4,constructor\n5,6,hasOwnProperty\n',
]
const csvTokens = [
  ...prototypeKeys,
  ...absurdNumbers.map(String),
  ',',
  ';',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '"',
  '""',
  '"a\nb"',
  '\0',
  '\ufeff',
  ' ',
  ',,,,',
  '\n\n\n',
  '9999',
  '99999',
  '0x10',
  '1_000',
  '１２',
  '1e400',
  'NaN',
  'Infinity',
  '💥',
  '\ud800',
  'x'.repeat(5000),
  '1,'.repeat(5000),
  '"'.repeat(999),
  '\xff\xfe',
] // prettier-ignore

const csvOptions = fc.record(
  {
    header: fc.boolean(),
    delimiter: fc.constantFrom(',', ';', '\t', '"', '\n', ' ', '1', '\ud83d'),
    label: fc.constantFrom('label', 'class', '__proto__', 'toString', 0, 1, -1, -2, 999, -999, 2 ** 52),
    drop: fc.subarray(['a', 'b', 'constructor', 'f1', '', 0, -1, 2 ** 52]),
    encoding: fc.constantFrom('utf-8', 'utf-16le', 'utf-16be', 'latin1', 'windows-1251', 'shift_jis', 'gb18030'),
    merge: fc.subarray(['case', 'stops']),
    stratify: fc.boolean(),
    seed: fc.constantFrom(0, 2 ** 53 - 1),
    classes: fc.constantFrom(['x', 'y'], ['0', '1'], ['__proto__', 'constructor', 'hasOwnProperty']),
    types: fc.constantFrom({ a: 'category' }, { 0: 'number', b: 'category' }, { __proto__: null, toString: 'number' }),
    missing: fc.constantFrom('error', 'drop', 'mean', 'median', 'mode', { constant: 0 }, { a: 'mean', '*': 'drop' }),
    text: fc.constantFrom('error', 'drop', 'one-hot', 'ordinal', { a: 'one-hot', '*': 'drop' }),
    unseen: fc.constantFrom('error', 'ignore'),
    maxCategories: fc.constantFrom(1, 2, 1000),
    type: fc.constantFrom('float32', 'uint8'),
    weight: fc.constantFrom('b', 0, -2),
    skip: fc.constantFrom(0, 1, 2 ** 52),
    decimal: fc.constantFrom('.', ','),
    select: fc.constantFrom(['a'], [0, 1], ['b', 'a']),
    shape: fc.constantFrom([2], [1, 2], [1e9, 1e9], [50], [1e308], [2 ** 53]),
    fractions: fc.constantFrom(
      { train: 1 },
      { train: 0.5, test: 0.5 },
      { __proto__: null, constructor: 1 },
      { toString: 1e-9 },
    ),
  },
  { requiredKeys: [] },
)

async function loadCifar({ bytes, ending, holdOut }, folder) {
  const name = `data.bin${ending}`
  writeFileSync(join(folder, name), bytes)
  return load(
    cifar10,
    { directory: folder, train: [name], ...(holdOut && { holdOut }) },
    holdOut ? 'data.bin|holdOut' : name,
  )
}

async function loadIdx({ images, labels, ending, options }, folder) {
  // Plain files of the same names would be read instead of packed ones.
  const name = `data${ending.length}`
  writeFileSync(join(folder, `${name}.images${ending}`), images)
  writeFileSync(join(folder, `${name}.labels${ending}`), labels)
  const files = { train: { images: `${name}.images`, labels: `${name}.labels` } }
  return load(idx, { directory: folder, files, ...options }, `${name}.(images|labels)`)
}

async function loadCsv({ bytes, ending, options }, folder) {
  const path = join(folder, `data.csv${ending}`)
  writeFileSync(path, bytes)
  return load(csv, csv.options.safeParse({ path, ...options }).success ? { path, ...options } : { path }, 'data.csv')
}

const plain = (bytes) =>
  fc.record({ bytes, ending: fc.constant(''), holdOut: fc.constantFrom(undefined, 1, 3, 2 ** 52) })
const zipped = (bytes) => fc.record({ bytes, ending: fc.constant('.gz') })
const packedIdx = idxPairs.map((pair) => pair.map((bytes) => gzipSync(bytes)))
/** Images and labels that fit together, of which one or both are damaged. */
const idxInputs = (pairs, ending, options) =>
  fc.constantFrom(...pairs).chain(([images, labels]) =>
    fc.record({
      images: fc.oneof(fc.constant(images), mutated([images], idxTokens)),
      labels: fc.oneof({ weight: 3, arbitrary: fc.constant(labels) }, mutated([labels], idxTokens)),
      ending: fc.constant(ending),
      options: fc.record(options, { requiredKeys: [] }),
    }),
  )
const packedTables = tables.map((table) => gzipSync(table))

/** The readers of data files. */
export const dataFiles = [
  csvReaders,
  ...tableFiles,
  {
    name: 'CIFAR binary',
    weight: 12,
    inputs: fc.oneof(
      { weight: 4, arbitrary: plain(mutated(records, bytesOf)) },
      { weight: 1, arbitrary: plain(fc.uint8Array({ maxLength: 100 })) },
    ),
    check: loadCifar,
  },
  { name: 'CIFAR binary, packed', weight: 2, inputs: zipped(mutated(packed, bytesOf)), check: loadCifar },
  {
    name: 'IDX',
    weight: 6,
    inputs: idxInputs(idxPairs, '', {
      fractions: fc.constantFrom({ train: 1 }, { train: 0.5, test: 0.5 }, { toString: 1e-9 }),
      stratify: fc.boolean(),
      classes: fc.constantFrom(['x', 'y', 'z'], ['__proto__', 'constructor', 'hasOwnProperty']),
    }),
    check: loadIdx,
  },
  {
    name: 'IDX, packed',
    weight: 2,
    inputs: idxInputs(packedIdx, '.gz', {}),
    check: loadIdx,
  },
  {
    name: 'CSV',
    weight: 20,
    inputs: fc.record({
      bytes: fc.oneof(
        { weight: 8, arbitrary: mutated(tables, csvTokens) },
        { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      ),
      ending: fc.constant(''),
      options: csvOptions,
    }),
    check: loadCsv,
  },
  {
    name: 'CSV, packed',
    weight: 2,
    inputs: fc.record({
      bytes: mutated(packedTables, csvTokens),
      ending: fc.constant('.gz'),
      options: fc.constant({}),
    }),
    check: loadCsv,
  },
]
