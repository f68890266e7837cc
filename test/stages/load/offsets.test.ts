import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Float64, Int32, Table, tableToIPC, vectorFromArray } from 'apache-arrow'
import t, { type Test } from 'tap'
import { loadModel } from '../../../dist/model.js'
import { type Column, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { storedModel } from '../../models.js'
import { errorOf, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn } from '../tables.js'
import { parquetOf } from './table-files.js'

/** The second of a day in which each row was written; one is missing. */
const START = 1_700_000_000
const seconds = Array.from({ length: 60 }, (_, i) => (i === 7 ? undefined : ((i * 7919) % 86_400) + 3))
const sizes = seconds.map((_, i) => (i * i) / 8)
const colours = seconds.map((_, i) => ['red', 'blue'][i % 2]!)
const labels = seconds.map((second = 0) => Number(second > 43_000))

const times = (start: number) => seconds.map((second) => (second === undefined ? undefined : start + second))

/** The rows as a file of each format. */
const fileOf: Readonly<Record<string, (times: readonly (number | undefined)[]) => Uint8Array>> = {
  csv: (times) =>
    Buffer.from(
      `time,size,colour,label\n${times.map((time, i) => `${time ?? ''},${sizes[i]},${colours[i]},${labels[i]}\n`).join('')}`,
    ),
  jsonl: (times) =>
    Buffer.from(
      times
        .map(
          (time, i) =>
            `${JSON.stringify({ time: time ?? (i === 0 ? null : undefined), size: sizes[i], colour: colours[i], label: labels[i] })}\n`,
        )
        .join(''),
    ),
  arff: (times) =>
    Buffer.from(
      `@relation r\n@attribute time numeric\n@attribute size numeric\n@attribute colour {red,blue}\n@attribute label {0,1}\n@data\n${times
        .map((time, i) => `${time ?? '?'},${sizes[i]},${colours[i]},${labels[i]}\n`)
        .join('')}`,
    ),
  arrow: (times) =>
    tableToIPC(
      new Table({
        time: vectorFromArray(
          times.map((time) => time ?? null),
          new Float64(),
        ),
        size: vectorFromArray(sizes, new Float64()),
        colour: vectorFromArray(colours),
        label: vectorFromArray(labels, new Int32()),
      }),
    ),
  parquet: (times) =>
    parquetOf(25, [
      [
        { name: 'time', type: 'INT64', repetition_type: 'OPTIONAL' },
        times.map((time) => (time === undefined ? undefined : BigInt(time))),
      ],
      [{ name: 'size', type: 'DOUBLE', repetition_type: 'REQUIRED' }, sizes],
      [{ name: 'colour', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }, colours],
      [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, labels],
    ]),
}

const entry = (format: string, options: string): string => `- use: load/${format}\n  with: { ${options} }`
const train = 'fractions: { train: 1 }, assign: order, missing: { time: mean }, text: one-hot'

async function loaded(t: Test, format: string, options: string) {
  const { tables, notes } = await runStage(t, entry(format, options))
  return { features: tables.flatMap(featuresIn), columns: layoutOf(tables[0]!).columns, notes, tables }
}

t.test('a column far from 0 keeps its digits, in every format, and new rows are read as it was', async (t) => {
  const expected: readonly Column[] = [
    { kind: 'number', name: 'time', fill: 0, offset: START + 3 },
    { kind: 'number', name: 'size' },
  ]
  const known = seconds.filter((second) => second !== undefined)
  const mean = known.reduce((sum, second) => sum + second - 3, 0) / known.length
  for (const [format, bytes] of Object.entries(fileOf)) {
    const folder = temporary(t, { far: bytes(times(START)), near: bytes(times(-3)) })
    const far = await loaded(t, format, `path: ${folder}/far, ${train}`)
    const near = await loaded(t, format, `path: ${folder}/near, ${train}`)
    t.strictSame(far.features, near.features, `${format}: the numbers are those of the file that begins at 0`)
    t.match(far.notes.join('\n'), /far: features are time − 1700000003, in float64, because float32 would lose digits/)
    t.notMatch(near.notes.join('\n'), /lose digits/)
    const columns = far.columns!
    t.match(columns.slice(0, 2), [{ ...expected[0], fill: mean + START + 3 }, expected[1]!], format)
    t.notOk('offset' in columns[1]!, 'other columns stay as they are')
    const arrays = [
      { name: 'W', shape: [2, 4], values: Float32Array.of(1e-5, 0, 0, 0, -1e-5, 0, 0, 0) },
      { name: 'b', shape: [2], values: Float32Array.of(0, 1) },
    ]
    const model = storedModel(t, { shape: [4], columns, arrays, classes: ['0', '1'], label: 'label' })
    const again = await loaded(t, format, `path: ${folder}/far, model: ${model}`)
    t.strictSame(again.features, far.features, `${format}: for a model`)
    if (format !== 'csv') continue
    const own = await loadModel(model, { kernel: 'reference' })
    const rows = times(START).map((time, i) => ({ time, size: sizes[i]!, colour: colours[i]! }))
    const scores = far.features.map(([time]) => Math.fround(Math.fround(1e-5) * time!))
    const found = own.predict(rows).values
    for (const [i, score] of scores.entries())
      t.ok(Math.abs(found[2 * i]! - 1 / (1 + Math.exp(1 - 2 * score))) < 1e-6, `row ${i}`)
    t.strictSame(own.predict(rows.map(Object.values)).values, found, 'lists')
    own.free()
  }
})

t.test('rows of numbers alone in a program', async (t) => {
  const columns: Column[] = [
    { kind: 'number', name: 'time', offset: START, fill: START + 2 },
    { kind: 'number', name: 'x' },
    { kind: 'number', name: 'y', fill: 5 },
  ]
  const plain = columns.map(({ name }): Column => ({ kind: 'number', name, fill: { time: 2, y: 5 }[name] }))
  const [far, near] = await Promise.all(
    [columns, plain].map((columns) => loadModel(storedModel(t, { columns }), { kernel: 'reference' })),
  )
  const rows = [
    [START + 1, 2, 3],
    [START + 0.5, -2, Number.NaN],
    [Number.NaN, 1, 1],
  ]
  const expected = near!.predict(rows.map(([time, ...others]) => [time! - START, ...others])).values
  const names = (row: number[]) => ({ time: row[0]!, x: row[1]!, y: row[2]! })
  const given = { lists: rows, flat: rows.flat(), typed: Float64Array.from(rows.flat()), objects: rows.map(names) }
  for (const [name, each] of Object.entries(given)) t.strictSame(far!.predict(each).values, expected, name)
  t.throws(() => far!.predict([[3.5e38, 1, 1]]), /column time: expected a number that float32 can hold, got "3.5e\+38"/)
  far!.free()
  near!.free()
})

t.test('a missing cell that is read as 0 is less the offset, too', async (t) => {
  const columns: Column[] = ['time', 'x', 'y'].map((name) => ({ kind: 'number', name, fill: 0, offset: START }))
  const model = storedModel(t, { columns })
  const path = join(temporary(t, { 'a.csv': `time,x,y\n,${START + 1},0\n` }), 'a.csv')
  const { features } = await loaded(t, 'csv', `path: ${path}, model: ${model}`)
  t.strictSame(features, [[Math.fround(-START), 1, Math.fround(-START)]])
})

t.test('a missing cell in the first row hides no numbers that lose digits', async (t) => {
  const later = seconds.map((second = 3) => START + second)
  for (const [format, bytes] of Object.entries(fileOf)) {
    const folder = temporary(t, { data: bytes([undefined, ...later.slice(1)]) })
    const { columns } = await loaded(t, format, `path: ${folder}/data, ${train}`)
    t.match(columns![0], { name: 'time', offset: START + 3 }, format)
  }
})

t.test('many files, folds, and columns of few numbers', async (t) => {
  // Each file is a day; the days together are a month.
  const days = Array.from({ length: 3 }, (_, day) => times(START + 864_000 * day).map((time) => time ?? START))
  const folder = temporary(t, {
    ...Object.fromEntries(days.map((day, i) => [`${i}.csv`, fileOf.csv!(day)])),
    'few.csv': fileOf.csv!(seconds.map((_, i) => START + (i % 9))),
  })
  const options = 'assign: order, fractions: { train: 1 }, drop: [colour]'
  const { features, columns } = await loaded(
    t,
    'csv',
    `path: [${folder}/0.csv, ${folder}/1.csv, ${folder}/2.csv], ${options}`,
  )
  t.strictSame(
    features.map(([time]) => time),
    days.flat().map((time) => time - START),
  )
  t.match(columns, [{ name: 'time', offset: START }, { name: 'size' }])
  for (const text of ['error', 'ordinal']) {
    const few = await loaded(t, 'csv', `path: ${folder}/few.csv, text: ${text}, ${options}`)
    t.strictSame(
      few.features.map(([time]) => time),
      seconds.map((_, i) => i % 9),
      'also where texts could have come',
    )
  }
  const folds = await runStage(t, entry('csv', `path: ${folder}/0.csv, folds: 4, fold: 1, drop: [colour]`))
  t.strictSame(folds.tables.map(splitOf), ['train', 'validation'])
  t.ok(folds.tables.every((table) => layoutOf(table).columns![0]!.kind === 'number'))
  t.equal(new Set(folds.tables.map((table) => JSON.stringify(layoutOf(table).columns))).size, 1)
})

t.test('offsets that are given', async (t) => {
  const folder = temporary(t, { 'a.csv': fileOf.csv!(times(START)), 'b.csv': 'x,y\n3e38,a\n1,b\n2,a\n' })
  const rest = 'fractions: { train: 1 }, assign: order, missing: drop, drop: [colour]'
  const a = (offsets: string) => loaded(t, 'csv', `path: ${folder}/a.csv, ${rest}, offsets: ${offsets}`)
  const own = await a(`{ time: ${START}, size: -0.5 }`)
  t.strictSame(own.features[1], [(7919 % 86_400) + 3, 0.625])
  t.match(own.columns, [{ offset: START }, { offset: -0.5 }])
  t.notMatch(own.notes.join(), /digits/)
  for (const none of ['{ "*": 0 }', '{ "0": 0 }']) {
    const { features, columns, notes } = await a(none)
    t.strictSame([features[1]![0], columns], [Math.fround(START + 7922), undefined])
    t.match(
      notes.join(),
      /the column time loses digits, because features are float32: 17000\d+ becomes 17000\d+; offsets: \{ time: 17000\d+ \} subtracts/,
    )
  }
  const bad = entry('csv', `path: ${folder}/a.csv, offsets: { nope: 1 }, drop: [colour]`)
  t.match(await errorOf(runStage(t, bad)), ['DATA', /offsets: no feature column nope; columns: time, size/])
  t.match(
    await errorOf(runStage(t, entry('csv', `path: ${folder}/b.csv, offsets: { x: -1e38 }`))),
    ['DATA', /b.csv:2: column x: expected a number that float32 can hold, got "3e38"/],
    'what is stored must be finite',
  )
  t.match(await problemsOf(t, entry('csv', 'path: a.csv, type: uint8, offsets: { x: 1 }')), /bytes lose no digits/)
})

t.test('a file that changes between the two readings', async (t) => {
  const path = join(temporary(t, { 'a.csv': fileOf.csv!(times(START)) }), 'a.csv')
  const { readings } = await import('../../../dist/stages/load/tabular/readings.js')
  const told: unknown[] = []
  const { first, second } = readings({ source: (each) => told.push(each), note: (text) => told.push(text) } as never)
  first.source({ path, bytes: 1, sha256: 'a' })
  first.source({ path, bytes: 1, sha256: 'b' })
  second.note('again')
  second.source({ path, bytes: 1, sha256: 'a' })
  writeFileSync(path, '')
  t.throws(() => second.source({ path, bytes: 1, sha256: 'c' }), {
    code: 'DATA',
    message: /a.csv changed while it was/,
  })
  t.equal(told.length, 2)
})
