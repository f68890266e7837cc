import { join } from 'node:path'
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  DurationMillisecond,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  LargeUtf8,
  List,
  makeData,
  Null,
  Struct,
  Table,
  TimeMillisecond,
  TimestampMillisecond,
  TimestampNanosecond,
  tableToIPC,
  Uint64,
  Utf8,
  Vector,
  vectorFromArray,
} from 'apache-arrow'
import { Compression, Table as ParquetTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm/node'
import t from 'tap'
import { errorOf, runStage, temporary } from '../harness.js'
import { featuresIn } from '../tables.js'

/* Columns of every type that other programs write, as an Arrow stream and as Parquet by an independent writer. */

const label = vectorFromArray([0, 1, 0, 1], new Int32())

/** Numbers of 128 bits with two decimals. */
function decimals(...hundredths: readonly number[]): Vector {
  const data = new Uint32Array(4 * hundredths.length)
  for (const [i, value] of hundredths.entries()) data[4 * i] = value
  return new Vector([makeData({ type: new Decimal(2, 10, 128), length: hundredths.length, nullCount: 0, data })])
}

const of = (values: readonly unknown[], type: DataType): Vector => vectorFromArray(values, type)
const item = new Field('item', new Float32())
const day = 86_400_000
const pairs = [
  [1, 2],
  [3, 4],
  [5, 6],
  [7, 8],
]
const column = (...values: readonly number[]): number[][] => values.map((value) => [value])
const oneHot = [
  [1, 0],
  [0, 1],
  [1, 0],
  [0, 1],
]
const nested = 'the column value has many values in each row; leave it out with drop'
const others =
  'the column value has values inside values, or of a type that is no number and no text; leave it out with drop'
const notRead = (type: string): string =>
  `the column value has the type ${type}, which is not read as numbers or texts; leave it out with drop`

/** The features, or why they cannot be read: in Arrow files, and in Parquet files if that differs. */
type Case = readonly [column: Vector, arrow: number[][] | string, parquet?: number[][] | string]

const cases: Readonly<Record<string, Case>> = {
  float16: [of([1.5, 2.5, -3, 4], new Float16()), column(1.5, 2.5, -3, 4)],
  float64: [of([1.5, 2.5, -3, 4], new Float64()), column(1.5, 2.5, -3, 4)],
  int8: [of([1, -2, 3, 4], new Int8()), column(1, -2, 3, 4)],
  int64: [of([1n, -2n, 2n ** 33n, 4n], new Int64()), column(1, -2, 2 ** 33, 4)],
  uint64: [of([1n, 2n, 2n ** 63n, 4n], new Uint64()), column(1, 2, 2 ** 63, 4)],
  'truth values': [of([true, false, true, true], new Bool()), column(1, 0, 1, 1)],
  days: [
    of(
      [0, day, 2 * day, 3 * day].map((at) => new Date(at)),
      new DateDay(),
    ),
    column(0, day, 2 * day, 3 * day),
  ],
  times: [of([0, 1, 2, 3], new TimeMillisecond()), column(0, 1, 2, 3)],
  'timestamps, ms': [of([0, 1000, 2000, 3000], new TimestampMillisecond()), column(0, 1000, 2000, 3000)],
  'timestamps, ns': [of([0, 1000, 2000, 3000], new TimestampNanosecond()), column(0, 1000, 2000, 3000)],
  texts: [of(['a', 'b', 'a', 'b'], new Utf8()), oneHot],
  'long texts': [of(['a', 'b', 'a', 'b'], new LargeUtf8()), oneHot],
  dictionary: [of(['a', 'b', 'a', 'b'], new Dictionary(new Utf8(), new Int32())), oneHot],
  decimals: [decimals(150, 275, 300, 425), notRead('Decimal[10e+2]'), column(1.5, 2.75, 3, 4.25)],
  durations: [of([1n, 2n, 3n, 4n], new DurationMillisecond()), notRead('Duration<MILLISECOND>'), column(1, 2, 3, 4)],
  bytes: [
    of(
      [1, 2, 1, 2].map((byte) => Uint8Array.of(byte)),
      new Binary(),
    ),
    notRead('Binary'),
    oneHot,
  ],
  nothing: [of([null, null, null, null], new Null()), notRead('Null'), others],
  'lists of one length': [of(pairs, new FixedSizeList(2, item)), pairs],
  lists: [of(pairs, new List(item)), nested, pairs],
  structs: [
    of(
      pairs.map(([a]) => ({ a })),
      new Struct([new Field('a', new Float32())]),
    ),
    nested,
    others,
  ],
}

function parquetOf(stream: Uint8Array): Uint8Array {
  const properties = new WriterPropertiesBuilder().setCompression(Compression.ZSTD).build()
  return writeParquet(ParquetTable.fromIPCStream(stream), properties)
}

t.test('columns of every type are read, or refused by name', async (t) => {
  for (const [name, [value, arrow, parquet = arrow]] of Object.entries(cases)) {
    const stream = tableToIPC(new Table({ value, label }), 'stream')
    const folder = temporary(t, { arrow: stream, parquet: parquetOf(stream) })
    for (const [format, expected] of Object.entries({ arrow, parquet })) {
      const file = join(folder, format)
      const running = runStage(t, `- use: load/${format}\n  with: { files: { train: ${file} }, text: one-hot }`)
      if (typeof expected === 'string')
        t.strictSame(await errorOf(running), ['DATA', `${file}: ${expected}`], `${name}: ${format}`)
      else t.strictSame(featuresIn((await running).tables[0]!), expected, `${name}: ${format}`)
    }
  }
})

t.test('a column of a type that is not read may be left out', async (t) => {
  const numbers = of([1, 2, 3, 4], new Float32())
  for (const name of ['decimals', 'nothing', 'structs']) {
    const stream = tableToIPC(new Table({ numbers, value: cases[name]![0], label }), 'stream')
    const folder = temporary(t, { arrow: stream, parquet: parquetOf(stream) })
    for (const format of ['arrow', 'parquet']) {
      const entry = `- use: load/${format}\n  with: { files: { train: ${join(folder, format)} }, drop: [value] }`
      t.strictSame(featuresIn((await runStage(t, entry)).tables[0]!), column(1, 2, 3, 4), `${name}: ${format}`)
    }
  }
})

t.test('lists whose numbers lose digits as float32 are told', async (t) => {
  const rows = [0, 1, 2, 3].map((i) => [i, 1_700_000_000 + 3 * i])
  const double = new Field('item', new Float64())
  const stream = tableToIPC(new Table({ value: of(rows, new FixedSizeList(2, double)), label }), 'stream')
  const lists = tableToIPC(new Table({ value: of(rows, new List(double)), label }), 'stream')
  const folder = temporary(t, { arrow: stream, parquet: parquetOf(lists) })
  for (const format of ['arrow', 'parquet'])
    for (const given of ['', ', fractions: { train: 1 }, missing: drop']) {
      const { notes } = await runStage(t, `- use: load/${format}\n  with: { path: ${join(folder, format)}${given} }`)
      t.match(notes, [
        /1 of 2 features loses digits, .* in feature 1, 17\d+ becomes 1700000000; .* such as 1700000000,/,
      ])
    }
})
