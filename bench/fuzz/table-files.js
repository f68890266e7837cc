import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Dictionary, Float32, Float64, Int32, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import fc from 'fast-check'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { arff } from '../../dist/stages/load/arff.js'
import { arrow } from '../../dist/stages/load/arrow.js'
import { jsonl } from '../../dist/stages/load/jsonl.js'
import { parquet } from '../../dist/stages/load/parquet.js'
import { load } from './load.js'
import { absurdNumbers, mutated, prototypeKeys } from './mutations.js'

const options = fc.record(
  {
    missing: fc.constantFrom('error', 'drop', 'mean', 'median', 'mode', { constant: 0 }),
    text: fc.constantFrom('error', 'drop', 'one-hot', 'ordinal'),
    unseen: fc.constantFrom('error', 'ignore'),
    label: fc.constantFrom('label', 'a', 0, -1),
    drop: fc.subarray(['a', 'b', 'c', 'image']),
    fractions: fc.constantFrom({ train: 1 }, { train: 0.5, test: 0.5 }),
  },
  { requiredKeys: ['missing', 'text'] },
)

const jsonTables = [
  '{"a":1,"b":"red","label":"x"}\n{"a":2.5,"b":"blue","label":"y"}\n{"b":null,"label":"x"}\n',
  '[1,2,"x"]\n[3,4,"y"]\n',
  '{"pixels":[1,2,3],"label":0}\n{"pixels":[4,5,6],"label":1}\n',
  '{"__proto__":1,"constructor":{"a":true},"label":"toString"}\n'.repeat(3),
]
const jsonTokens = [
  ...prototypeKeys.map((key) => `"${key}":1,`),
  ...absurdNumbers.map(String),
  '{',
  '}',
  '[',
  ']',
  ',',
  '"',
  '\\',
  'null',
  '1e999',
  '[['.repeat(5000),
  '{"a":'.repeat(40),
  '\n',
  '"\\ud800"',
] // prettier-ignore
const arffTables = [
  "% a table\n@relation r\n@attribute a numeric\n@attribute 'b c' {red, 'dark blue', \"it's\"}\n@attribute label {x,y}\n@data\n1,red,x\n?,'dark blue',y\n3.5,?,x\n{0 2, 1 \"it's\"}\n",
  '@RELATION r\n@ATTRIBUTE a REAL\n@ATTRIBUTE b string\n@ATTRIBUTE label INTEGER\n@DATA\n1,one,0\n2,two,1\n',
]
const arffTokens = [
  ...prototypeKeys,
  ...absurdNumbers.map(String),
  '@data\n',
  '@attribute x date\n',
  '@attribute q {',
  '{',
  '}',
  "'",
  '"',
  '\\',
  '%',
  '?',
  ',',
  '\t',
  '\n',
  '{0 1}',
  '{9999999999 1}\n',
] // prettier-ignore

const columns = {
  a: vectorFromArray([1, null, 3, 4.5], new Float64()),
  b: vectorFromArray(['red', 'blue', null, 'red'], new Dictionary(new Utf8(), new Int32())),
  c: vectorFromArray(['u', 'v', 'w', 'x'], new Utf8()),
  label: vectorFromArray([0, 1, 0, 1], new Int32()),
}
const arrows = [
  tableToIPC(new Table(columns), 'file'),
  tableToIPC(new Table(columns), 'stream'),
  tableToIPC(
    new Table({ a: vectorFromArray([1, 2], new Float32()), label: vectorFromArray([0, 1], new Int32()) }),
    'stream',
  ),
].map((bytes) => Buffer.from(bytes))
const words = [
  [0, 0, 0, 0],
  [255, 255, 255, 255],
  [255, 255, 255, 127],
  [0, 0, 0, 128],
  [1, 0, 0, 0],
  [16, 0],
  [0],
].map((bytes) => Buffer.from(bytes))

function parquetOf(codec) {
  const writer = new ByteWriter()
  const file = new ParquetWriter({
    writer,
    codec,
    schema: [
      { name: 'root', num_children: 4 },
      { name: 'a', type: 'FLOAT', repetition_type: 'OPTIONAL' },
      { name: 'b', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'c', type: 'INT64', repetition_type: 'REQUIRED' },
      { name: 'label', type: 'BOOLEAN', repetition_type: 'REQUIRED' },
    ],
  })
  file.write({
    columnData: [
      { name: 'a', data: [1, undefined, 2.5, 3, 1, 1] },
      { name: 'b', data: ['red', 'blue', undefined, 'red', 'red', 'red'] },
      { name: 'c', data: [1n, 2n, 3n, 4n, 5n, 6n] },
      { name: 'label', data: [true, false, true, false, true, false] },
    ],
    rowGroupSize: 4,
  })
  file.finish()
  return Buffer.from(writer.getBuffer())
}

const parquets = ['SNAPPY', 'UNCOMPRESSED'].map(parquetOf)

/** A reader of files of one format. A bad file must give a DATA error that names it. */
const reader = (name, stage, weight, bases, tokens, file) => ({
  name,
  weight,
  inputs: fc.record({
    bytes: fc.oneof(
      { weight: 8, arbitrary: mutated(bases, tokens) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    ),
    options,
  }),
  check: async ({ bytes, options }, folder) => {
    const path = join(folder, file)
    writeFileSync(path, bytes)
    return load(stage, { path, ...options }, file)
  },
})

/** The readers of files with tables, beside that of CSV. */
export const tableFiles = [
  reader('JSON lines', jsonl, 5, jsonTables, jsonTokens, 'data.jsonl'),
  reader('ARFF', arff, 5, arffTables, arffTokens, 'data.arff'),
  reader('Arrow', arrow, 10, arrows, words, 'data.arrow'),
  reader(
    'Arrow, packed',
    arrow,
    1,
    arrows.map((bytes) => gzipSync(bytes)),
    words,
    'data.arrow.gz',
  ),
  reader('Parquet', parquet, 10, parquets, words, 'data.parquet'),
]
