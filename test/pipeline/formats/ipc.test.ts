import * as flechette from '@uwdata/flechette'
import {
  Table as ArrowTable,
  Dictionary,
  Int32,
  tableFromArrays,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import fc from 'fast-check'
import t from 'tap'
import { tableFromFile } from '../../../dist/pipeline/formats/ipc.js'
import { arrowFile, metricsRows, metricsTable, modelOf, parametersTables } from '../../../dist/pipeline/stage-kit.js'
import { countedBatches, examples } from '../../stages/tables.js'

const position = { epoch: 3, step: 120, epochs: 4, steps: 40 }
const parameters = parametersTables({
  learner: 'softmax',
  options: {},
  shape: [3, 2],
  names: undefined,
  classes: ['cat', 'dög', ''],
  affine: { mean: Float64Array.of(1, 2, 3, 4, 5, 6), scale: new Float64Array(6).fill(0.1) },
  lambda: 0.1,
  arrays: [
    { name: 'W', shape: [3, 2], values: Float32Array.of(1, 2, 3, 4, 5, 6) },
    { name: 'b', shape: [3], values: Float32Array.of(7, 8, 9) },
  ],
})(position, 0.05)
const metrics = metricsTable(position, { train_cost: 2, test_cost: Number.NaN })
const several = metrics.concat(metricsTable(position, { train_cost: 1, test_cost: 3 }))

t.test('tables read back as they were written, from a file and from a stream', (t) => {
  for (const kind of ['file', 'stream'] as const) {
    t.strictSame(modelOf(tableFromFile(tableToIPC(parameters, kind))), modelOf(parameters))
    t.strictSame(metricsRows(tableFromFile(tableToIPC(several, kind))), metricsRows(several))
    for (const table of [
      examples(
        [
          [1, 2],
          [3, 4],
        ],
        [0, 1],
      ),
      ...countedBatches([2, 1], 1),
    ])
      t.strictSame(String(tableFromFile(tableToIPC(table, kind))), String(table))
  }
  t.end()
})

t.test('a file that begins with its schema reads as one that leaves it to its footer', (t) => {
  for (const table of [parameters, several])
    t.strictSame(String(tableFromFile(arrowFile(table))), String(tableFromFile(tableToIPC(table, 'file'))))
  const file = arrowFile(several)
  for (let length = 0; length < file.length; length++) t.throws(() => tableFromFile(file.subarray(0, length)))
  t.end()
})

t.test('files of other programs are read', (t) => {
  const columns = { name: ['a', 'bc'], values: [[1, 2], []], x: [0.5, 1.5] }
  const types = { name: flechette.utf8(), values: flechette.list(flechette.float32()), x: flechette.float64() }
  for (const format of ['file', 'stream'] as const) {
    const bytes = flechette.tableToIPC(flechette.tableFromArrays(columns, { types }), { format })!
    const read = tableFromFile(bytes)
    t.strictSame(
      read.toArray().map((row) => [row.name, [...row.values], row.x]),
      [
        ['a', [1, 2], 0.5],
        ['bc', [], 1.5],
      ],
    )
  }
  t.end()
})

t.test('a stream that was cut off ends with its last complete batch; such a file is refused', (t) => {
  const stream = tableToIPC(several, 'stream')
  const counts = new Set<number>()
  for (let length = 8; length < stream.length; length++) {
    let rows = -1
    try {
      rows = tableFromFile(stream.subarray(0, length)).numRows
    } catch (error) {
      t.match(error, { message: 'it is no Arrow file' })
    }
    counts.add(rows)
  }
  t.strictSame([...counts], [-1, 0, 1, 2])
  const file = tableToIPC(several, 'file')
  for (let length = 0; length < file.length; length++) t.throws(() => tableFromFile(file.subarray(0, length)))
  t.end()
})

t.test('dictionaries and missing values are refused', (t) => {
  const words = new ArrowTable({ a: vectorFromArray(['x', 'y'], new Dictionary(new Utf8(), new Int32())) })
  const missing = tableFromArrays({ a: [1.5, null] as unknown as Float64Array })
  for (const [table, kind, message] of [
    [words, 'file', 'it has dictionaries, which cannot be read'],
    [words, 'stream', 'it has dictionaries, which cannot be read'],
    [missing, 'file', 'it has missing values'],
    [missing, 'stream', 'it has missing values'],
  ] as const)
    t.throws(() => tableFromFile(tableToIPC(table, kind)), { message })
  t.end()
})

t.test('a file that is damaged or not Arrow is refused with the reason', (t) => {
  const file = tableToIPC(metrics, 'file')
  const footer = new DataView(file.buffer, file.byteOffset).getInt32(file.length - 10, true)
  const changed = (at: number, ...values: number[]): Uint8Array => {
    const bytes = file.slice()
    bytes.set(values, at)
    return bytes
  }
  for (const [bytes, message] of [
    [Buffer.from('no Arrow file at all'), 'it is no Arrow file'],
    [Buffer.from('ARROW1\0\0ARROW1'), 'the file is cut off'],
    [new Uint8Array(), 'it is no Arrow file'],
    [changed(file.length - 10, 255, 255, 255, 127), 'its footer is damaged'],
    [changed(file.length - 10, 255, 255, 255, 255), 'its footer is damaged'],
    [changed(file.length - 10 - footer, 255, 255, 255, 255), 'its header is damaged'],
    [changed(8, 0), 'there is no message at byte 8'],
    [changed(12, 0, 0, 0, 128), 'the message at byte 8 is damaged'],
  ] as const)
    t.throws(() => tableFromFile(bytes), { message }, String(message))
  t.end()
})

t.test('damaged files never make the reader hang or throw anything but an Error', (t) => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.nat(7)), { minLength: 1, maxLength: 3 })
  const sound = fc.constantFrom(
    ...[parameters, several].flatMap((table) => (['file', 'stream'] as const).map((kind) => tableToIPC(table, kind))),
  )
  const survives = (bytes: Uint8Array): void => {
    try {
      tableFromFile(bytes).toArray().map(String)
    } catch (error) {
      if ((error as Error).constructor !== Error) throw error
    }
  }
  fc.assert(
    fc.property(sound, flips, (bytes, flips) => {
      const damaged = bytes.slice()
      for (const [at, bit] of flips) damaged[at % bytes.length]! ^= 1 << bit
      survives(damaged)
    }),
    { numRuns: 3000 },
  )
  fc.assert(
    fc.property(sound, fc.nat(), fc.nat(), fc.uint8Array({ maxLength: 16 }), (bytes, from, to, inserted) => {
      const [a, b] = [from % bytes.length, to % bytes.length].sort((x, y) => x - y) as [number, number]
      survives(Uint8Array.from([...bytes.subarray(0, a), ...inserted, ...bytes.subarray(b)]))
    }),
    { numRuns: 500 },
  )
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), survives), { numRuns: 500 })
  t.pass()
  t.end()
})
