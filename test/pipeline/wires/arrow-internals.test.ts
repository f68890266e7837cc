import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { tableFromIPC as flechetteTable } from '@uwdata/flechette'
import {
  Float64,
  Int32,
  makeVector,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  RecordBatchWriter,
  Schema,
  Table,
  tableFromIPC,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import t from 'tap'
import {
  ArrowStreamWriter,
  arrowFile,
  LazySchemaTable,
  LazyTable,
} from '../../../dist/pipeline/wires/arrow-internals.js'

const columns = { i: vectorFromArray([1, 2, 3], new Int32()), s: vectorFromArray(['a', null, 'c'], new Utf8()) }
const small = new Table(columns)
/** Two batches, with nulls. */
const table = small.concat(small)
const other = new Schema(table.schema.fields, new Map([['key', 'value']]))

class WithSchema extends LazySchemaTable {
  made = 0
  protected override makeSchema(): Schema {
    this.made++
    return other
  }
}

class Later extends LazyTable {
  made = 0
  protected override makeTable(): Table {
    this.made++
    return new Table(other, table.batches)
  }
}

/** Tables that must not differ from `expected` in anything that a stage can see. */
const expected = new Table(other, table.batches)
const ours: Record<string, () => Table> = {
  LazySchemaTable: () => new WithSchema(table) as unknown as Table,
  LazyTable: () => new Later() as unknown as Table,
}

/** Plain values of whatever a method of Table returns. */
function plain(value: unknown): unknown {
  if (value instanceof Table)
    return [value.schema.names, [...value.schema.metadata], value.toArray().map(String), value.batches.length]
  if (value instanceof Schema) return [value.names, [...value.metadata]]
  return typeof value === 'object' && value !== null ? String(value) : value
}

const uses: Record<string, (table: Table) => unknown> = {
  schema: (table) => table.schema,
  numRows: (table) => table.numRows,
  numCols: (table) => table.numCols,
  nullCount: (table) => table.nullCount,
  data: (table) => table.data.length,
  batches: (table) => table.batches.length,
  'get(4)': (table) => table.get(4),
  'at(-1)': (table) => table.at(-1),
  'isValid(5)': (table) => table.isValid(5),
  'indexOf(row)': (table) => table.indexOf(table.get(2)),
  'toArray()': (table) => table.toArray().map(String).join(),
  'toString()': (table) => String(table),
  iteration: (table) => [...table].map(String).join(),
  'slice(2, 5)': (table) => table.slice(2, 5),
  'concat(table)': (table) => table.concat(table),
  'public.concat(ours)': (table) => expected.concat(table),
  "select(['s'])": (table) => table.select(['s']),
  'selectAt([1])': (table) => table.selectAt([1]),
  "getChild('i')": (table) => [...table.getChild('i')!].join(),
  'getChildAt(1)': (table) => [...table.getChildAt(1)!].join(),
  "setChild('i')": (table) => table.setChild('i', makeVector(new Float64Array(6))),
  'assign()': (table) => table.assign(new Table({ x: vectorFromArray([0, 1, 2, 3, 4, 5], new Float64()) })),
  'new Table(ours)': (table) => new Table(table),
  'instanceof Table': (table) => table instanceof Table,
  'isTable()': (table) => Table.isTable(table),
  toStringTag: (table) => Object.prototype.toString.call(table),
  'tableToIPC() as a stream': (table) => Buffer.from(tableToIPC(table)).toString('base64'),
  'tableToIPC() as a file': (table) => Buffer.from(tableToIPC(table, 'file')).toString('base64'),
  'read back': (table) => tableFromIPC(tableToIPC(table)),
}

for (const [name, make] of Object.entries(ours)) {
  t.test(`a ${name} behaves like a Table of the public constructor`, async (t) => {
    for (const [use, result] of Object.entries(uses)) t.same(plain(result(make())), plain(result(expected)), use)
  })
}

t.test('a lazy table makes its parts once, on first access', async (t) => {
  const withSchema = new WithSchema(table)
  t.equal((withSchema as unknown as Table).numRows, 6)
  t.equal(withSchema.made, 0, 'rows need no schema')
  t.equal(withSchema.schema, withSchema.schema)
  t.equal(withSchema.made, 1)
  const later = new Later()
  t.ok(later instanceof Table)
  t.equal(later.made, 0)
  t.equal((later as unknown as Table).slice(1).numRows, 5)
  t.equal((later as unknown as Table).schema, other)
  t.equal(later.made, 1)
})

t.test('a Table has the own properties that the lazy tables provide, and no others', async (t) => {
  for (const each of [
    new Table(),
    new Table(columns),
    small.concat(small),
    small.slice(1),
    tableFromIPC(tableToIPC(small)),
  ])
    t.strictSame(Object.keys(each).sort(), ['_offsets', 'batches', 'schema'])
  t.strictSame(Object.getOwnPropertySymbols(new Table(columns)), [])
})

/** The bytes that an ArrowStreamWriter passes on, and how many of them after each batch. */
function written(hasSchema: boolean): { bytes: Buffer; lengths: number[]; writer: ArrowStreamWriter } {
  const parts: Uint8Array[] = []
  const writer = new ArrowStreamWriter((bytes) => parts.push(bytes.slice()), hasSchema)
  const lengths = table.batches.map((batch) => {
    writer.write(batch)
    return Buffer.concat(parts).length
  })
  writer.close()
  return { bytes: Buffer.concat(parts), lengths, writer }
}

t.test('ArrowStreamWriter passes on the bytes of a stream, those of each batch at once', async (t) => {
  const { bytes, lengths, writer } = written(false)
  t.ok(bytes.equals(tableToIPC(table)))
  const endMark = 8
  t.equal(lengths.at(-1), bytes.length - endMark)
  t.ok(lengths[0]! < lengths[1]!)
  t.equal((await writer.toUint8Array()).length, 0, 'the queue of the base class is empty')
})

t.test('ArrowStreamWriter leaves out the schema if the stream has it', async (t) => {
  const [whole, rest] = [written(false), written(true)]
  const schema = tableToIPC(new Table(table.schema))
  t.equal(rest.bytes.length, whole.bytes.length - (schema.length - 8))
  t.ok(whole.bytes.subarray(-rest.bytes.length).equals(rest.bytes))
})

t.test('the stream writer has the members that ArrowStreamWriter overrides and changes', async (t) => {
  for (const method of ['_write', '_writeSchema'])
    t.type(Reflect.get(RecordBatchStreamWriter.prototype, method), Function)
  const writer = new RecordBatchStreamWriter()
  t.match(writer, { _started: false, _position: 0 })
  writer.write(table.batches[0]!)
  t.equal(Reflect.get(writer, '_started'), true)
  t.ok(Reflect.get(writer, '_position') > 0)
})

t.test('an Arrow file holds a whole stream, schema first, and reads the same from its footer', async (t) => {
  const metadata = new Map([['epoch', '3']])
  const described = new Table(new Schema(table.schema.fields, metadata), table.batches)
  for (const each of [table, described, small, table.slice(2, 5), new Table(table.schema)]) {
    const file = arrowFile(each)
    t.equal(Buffer.from(file.subarray(0, 8)).toString(), 'ARROW1\0\0')
    const stream = file.subarray(8)
    // The end mark is followed by the footer, which a reader of streams does not reach.
    t.ok(Buffer.from(stream).indexOf(Buffer.from(tableToIPC(each))) === 0, 'the stream lies behind the magic bytes')
    for (const read of [tableFromIPC(file), tableFromIPC(stream)]) {
      t.equal(read.numRows, each.numRows)
      t.strictSame([...read.schema.metadata], [...each.schema.metadata])
    }
    t.equal(flechetteTable(file).numRows, each.numRows)
    t.strictSame(
      plain(tableFromIPC(file)),
      plain(tableFromIPC(tableToIPC(each, 'file'))),
      'the tables are those of apache-arrow',
    )
  }
})

t.test(
  'the file writer leaves the schema to a method that is overridden, and the writer of messages has another',
  async (t) => {
    const ofFile = Reflect.get(RecordBatchFileWriter.prototype, '_writeSchema')
    t.not(ofFile, Reflect.get(RecordBatchWriter.prototype, '_writeSchema'))
    t.not(
      Buffer.from(tableToIPC(table, 'file').subarray(8)).indexOf(Buffer.from(tableToIPC(table))),
      0,
      'apache-arrow: else arrowFile is not needed',
    )
  },
)

t.test('package.json pins the version of apache-arrow that these tests have run with', async (t) => {
  const read = (path: string) => JSON.parse(readFileSync(path, 'utf8'))
  const pinned = read('package.json').dependencies['apache-arrow']
  t.match(pinned, /^\d+\.\d+\.\d+$/)
  const installed = createRequire(import.meta.url).resolve('apache-arrow')
  t.equal(read(join(dirname(installed), 'package.json')).version, pinned)
})
