import { join } from 'node:path'
import { Float64, Int32, Table, tableToIPC, vectorFromArray } from 'apache-arrow'
import t from 'tap'
import { StageFlow } from '../../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../../dist/pipeline/flow/flow-control.js'
import { runMemory } from '../../../dist/pipeline/stage/memory.js'
import type { StageContext } from '../../../dist/pipeline/stage-kit.js'
import { openParquet } from '../../../dist/stages/load/parquet/file.js'
import { GroupReader } from '../../../dist/stages/load/parquet/group.js'
import { columnsOf } from '../../../dist/stages/load/parquet/schema.js'
import { errorOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { parquetOf } from './table-files.js'

/** More rows than are decoded at a time. */
const ROWS = (1 << 17) + 1000

const long = BigInt64Array.from(
  { length: ROWS },
  (_, i) => BigInt(i % 1000) * 2n ** 40n * (i % 2 ? -1n : 1n) + BigInt(i % 9),
)
const real = Float64Array.from({ length: ROWS }, (_, i) => (i % 1013 === 5 ? Number.NaN : i / 7))
const single = Float32Array.from({ length: ROWS }, (_, i) => (i % 1009 === 7 ? Number.NaN : i / 3))
const maybe = Array.from({ length: ROWS }, (_, i) => (i % 997 === 3 ? undefined : i % 50))
const label = Int32Array.from({ length: ROWS }, (_, i) => i % 3)

const bytes = parquetOf(ROWS, [
  [{ name: 'long', type: 'INT64', repetition_type: 'REQUIRED' }, long],
  [{ name: 'real', type: 'DOUBLE', repetition_type: 'REQUIRED' }, real],
  [{ name: 'single', type: 'FLOAT', repetition_type: 'REQUIRED' }, single],
  [{ name: 'maybe', type: 'INT32', repetition_type: 'OPTIONAL' }, maybe],
  [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, label],
])

const load = (file: string, options: string): string =>
  `- use: load/parquet\n  id: data\n  with: { files: { train: ${file} }, ${options} }`

t.test('columns of numbers of a large row group, with missing cells', async (t) => {
  const file = join(temporary(t, { data: bytes }), 'data')
  const { tables } = await runStage(t, load(file, 'missing: drop'))
  const kept = [...label.keys()].filter((i) => !Number.isNaN(real[i]! + single[i]!) && maybe[i] !== undefined)
  const expected = kept.map((i) => [Number(long[i]), real[i]!, single[i]!, maybe[i]!].map(Math.fround))
  t.ok(kept.length < ROWS)
  t.ok(JSON.stringify(featuresIn(tables[0]!)) === JSON.stringify(expected), 'features')
  t.strictSame([...tables[0]!.getChild('row')!.toArray()].slice(-5), kept.slice(-5), 'the rows that they were')
  t.ok(JSON.stringify(labelsIn(tables[0]!)) === JSON.stringify(kept.map((i) => label[i])), 'labels')
})

t.test('constants for missing cells', async (t) => {
  const file = join(temporary(t, { data: bytes }), 'data')
  const { tables } = await runStage(t, load(file, 'missing: { "*": { constant: -1 } }'))
  const features = featuresIn(tables[0]!)
  t.strictSame([features.length, features[3]![3], features[5]![1], features[7]![2]], [ROWS, -1, -1, -1])
})

t.test('the first wrong cell, by row', async (t) => {
  const file = join(temporary(t, { data: bytes }), 'data')
  await t.rejects(runStage(t, load(file, '')), {
    message: /row 3: column maybe: expected a finite number, got ""/,
  })
})

t.test('float64 columns whose digits float32 loses are told, in every format', async (t) => {
  const times = Float64Array.from({ length: 20 }, (_, i) => 1_700_000_000 + 3 * i * i)
  const small = times.map((time) => time - times[0]!)
  const classes = Int32Array.from(times, (_, i) => i % 2)
  const filesOf = (column: Float64Array) => ({
    'a.parquet': parquetOf(20, [
      [{ name: 'time', type: 'DOUBLE', repetition_type: 'REQUIRED' }, column],
      [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, classes],
    ]),
    'a.arrow': tableToIPC(
      new Table({ time: vectorFromArray(column, new Float64()), label: vectorFromArray(classes, new Int32()) }),
    ),
    'a.csv': `time,label\n${[...column].map((time, i) => `${time},${classes[i]}\n`).join('')}`,
  })
  for (const [column, expected] of [
    [
      times,
      [
        /features are time − 1700000000, in float64, because float32 would lose digits: 17000\d+ would become 17000\d+;/,
      ],
    ],
    [small, []],
  ] as const) {
    const folder = temporary(t, filesOf(column))
    for (const format of ['parquet', 'arrow', 'csv']) {
      const { notes } = await runStage(t, `- use: load/${format}\n  with: { path: ${folder}/a.${format} }`)
      t.equal(notes.length, expected.length, format)
      t.match(notes, expected, format)
    }
  }
})

t.test('decoded columns take no more memory than they may', async (t) => {
  const count = 10_000
  const halves = Float64Array.from({ length: count }, (_, i) => i / 2)
  // Pages of 1,000 numbers.
  const columns = ['x', 'y'].map((name) => [{ name, type: 'DOUBLE', repetition_type: 'REQUIRED' }, halves] as const)
  const path = join(temporary(t, { data: parquetOf(count, columns, 8000) }), 'data')
  const { signal } = new AbortController()
  const flow = new StageFlow(new FlowControl(signal))
  const context = { signal, flow, memory: runMemory(1 << 20) } as unknown as StageContext
  const file = await openParquet(path, context)
  t.teardown(() => file.handle.close())
  const readAll = async (most: number, step: number): Promise<number[]> => {
    const reader = new GroupReader(path, file, file.metadata.row_groups[0]!, columnsOf(file.metadata), context, most)
    const found: number[] = []
    for (let from = 0; from < count; from += step) {
      const cells = await reader.read(['x', 'y'], from, Math.min(count, from + step))
      for (const [i, cell] of cells.get('x')!.entries()) found.push(cell === cells.get('y')![i] ? cell : Number.NaN)
    }
    return found
  }
  t.strictSame(await readAll(60_000, 1500), [...halves], 'some rows at a time need little more than their pages')
  t.match(await errorOf(readAll(60_000, count)), [
    'DATA',
    /data: the columns of a row group need more than 60 KB to be decoded, which memory: 1.05 MB does not allow; write/,
  ])
})
