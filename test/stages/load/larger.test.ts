import { appendFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Dictionary, Float64, Int32, Table, tableToIPC, Utf8, type Vector, vectorFromArray } from 'apache-arrow'
import t, { type Test } from 'tap'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { growingFile, hasGrown } from '../../../dist/pipeline/files/growing-file.js'
import { npyOfNumbers } from '../../../dist/pipeline/formats/npy.js'
import { kernelRows, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { storedModel } from '../../models.js'
import { errorOf, openStage, runStage, temporary } from '../harness.js'
import { bytesNpy } from './array-files.js'
import { idxBytes } from './idx-files.js'
import { parquetOf } from './table-files.js'

const ROWS = 1500
const WIDTH = 30
const random = randomStream(1, 'test', 'rows')
const names = Array.from({ length: WIDTH }, (_, j) => `x${j}`)

/** What is in a column whose numbers have more digits than float32. */
const FAR = 1e9

/** Columns of numbers, one in fifty of them missing; few different whole numbers in the first one. */
const numbers = names.map((_, j) =>
  Array.from({ length: ROWS }, () =>
    random.below(50) === 0 ? null : (j === 2 ? FAR : 0) + random.below(j === 0 ? 5 : 100_000) / 8,
  ),
)
const colours = Array.from({ length: ROWS }, () => ['red', 'green', 'blue', null][random.below(4)]!)
const groups = Array.from({ length: ROWS }, () => `g${random.below(40)}`)
const weights = Array.from({ length: ROWS }, () => random.below(9) / 4)
const labels = Array.from({ length: ROWS }, () => ['cat', 'dog', 'eel'][random.below(3)]!)
const index = Array.from({ length: ROWS }, (_, i) => i)

type Cell = number | string | null
const columns: Readonly<Record<string, readonly Cell[]>> = {
  ...Object.fromEntries(names.map((name, j) => [name, numbers[j]!])),
  colour: colours,
  group: groups,
  weight: weights,
  label: labels,
}
const texts = ['colour', 'group', 'label']
const rowsOf = (cell: (value: Cell) => string): string =>
  index
    .map((i) =>
      Object.values(columns)
        .map((column) => cell(column[i]!))
        .join(','),
    )
    .join('\n')

/** A table of several record batches. */
function inBatches(columns: Readonly<Record<string, Vector>>): Table {
  const table = new Table(columns)
  return table.slice(0, 400).concat(table.slice(400, 1100), table.slice(1100))
}

const written: Readonly<Record<string, () => string | Uint8Array>> = {
  csv: () => `${Object.keys(columns).join(',')}\n${rowsOf((cell) => `${cell ?? ''}`)}\n`,
  jsonl: () =>
    index
      .map((i) => JSON.stringify(Object.fromEntries(Object.entries(columns).map(([name, all]) => [name, all[i]]))))
      .join('\n'),
  arff: () => {
    const types = Object.keys(columns).map((name) =>
      name === 'label' ? '{cat,dog,eel}' : texts.includes(name) ? 'string' : 'numeric',
    )
    const declared = Object.keys(columns).map((name, j) => `@attribute ${name} ${types[j]}\n`)
    return `@relation r\n${declared.join('')}@data\n${rowsOf((cell) => `${cell ?? '?'}`)}\n`
  },
  // The file is larger than a quarter of the memory, so it is read batch by batch.
  arrow: () =>
    tableToIPC(
      inBatches(
        Object.fromEntries(
          Object.entries(columns).map(([name, cells]) => [
            name,
            texts.includes(name)
              ? vectorFromArray(cells as string[], new Dictionary(new Utf8(), new Int32()))
              : vectorFromArray(cells as number[], new Float64()),
          ]),
        ),
      ),
    ),
  parquet: () =>
    parquetOf(
      700,
      Object.entries(columns).map(([name, cells]) => [
        texts.includes(name)
          ? { name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }
          : { name, type: 'DOUBLE', repetition_type: 'OPTIONAL' },
        cells.map((cell) => cell ?? undefined),
      ]),
    ),
}

/** All rows of each split, and what the tables say of themselves. */
function splitsIn(tables: readonly Table[]) {
  const splits = new Map<string, ReturnType<typeof kernelRows>[]>()
  for (const table of tables) splits.set(splitOf(table), [...(splits.get(splitOf(table)) ?? []), kernelRows(table)])
  const joined = (arrays: readonly (ArrayLike<number> | undefined)[]) =>
    Buffer.concat(arrays.map((each) => Buffer.from(new Float64Array(each ?? []).buffer))).toString('latin1')
  return [...splits].map(([split, parts]) => ({
    split,
    values: joined(parts.map(({ values }) => values)),
    labels: joined(parts.map(({ labels }) => labels)),
    row: joined(parts.map(({ row }) => row)),
    weight: joined(parts.map(({ weight }) => weight)),
    fields: tables
      .find((table) => splitOf(table) === split)!
      .schema.fields.map(({ name, metadata }) => [name, ...metadata]),
  }))
}

const pieces = { asked: { pieces: true } }

/** Compares the rows that a stage gives from memory with those that it gives in pieces, with this much memory. */
async function compare(t: Test, entry: string, memory: number, what: string): Promise<void> {
  const whole = await runStage(t, entry)
  const directory = join(temporary(t), 'run')
  const parts = await runStage(t, entry, {}, { ...pieces, memory, directory })
  t.ok(parts.tables.length > 0)
  t.strictSame(splitsIn(parts.tables), splitsIn(whole.tables), what)
  t.strictSame(parts.notes, whole.notes, `${what}: notes`)
  t.strictSame(
    readdirSync(directory).filter((name) => name.startsWith('.rows')),
    [],
    'nothing is left',
  )
}

/** The rows take 190 kB, and their places 18 kB more. */
const MEMORY = 70_000
const common = 'text: one-hot, missing: { "*": median, x0: mode, x1: mean, colour: mode }, drop: [group, weight]'

for (const [format, bytes] of Object.entries(written))
  t.test(`load/${format} gives rows that do not fit into memory in pieces`, async (t) => {
    const folder = temporary(t, { [`a.${format}`]: bytes() })
    const entry = `- use: load/${format}\n  with: { path: ${folder}/a.${format}, label: label, ${common} }`
    await compare(t, entry, MEMORY, 'default fractions')
    if (format !== 'csv') return
    t.match(await errorOf(runStage(t, entry, {}, { memory: MEMORY })), [
      'DATA',
      /rows of 31 features have been read, and more of them need .*; put cache\/arrow behind the load stage/,
    ])
  })

t.test('however rows are divided, they are the same', async (t) => {
  const folder = temporary(t, { 'a.csv': written.csv!() })
  const a = `${folder}/a.csv`
  const cases = [
    `path: ${a}, ${common}, assign: order, fractions: { train: 0.5, test: 0.2 }`,
    `path: ${a}, ${common}, stratify: true, fractions: { train: 0.5, validation: 20, test: 0.2 }`,
    `path: ${a}, ${common.replace('group, ', '')}, group: group, assign: hash, fractions: { train: 0.5, test: rest }`,
    `path: ${a}, ${common.replace('group, ', '')}, group: group, folds: 3, fold: 1`,
    `path: ${a}, ${common.replace(', weight]', ']')}, weight: weight, fractions: { train: 0.7 }`,
    `path: ${a}, text: drop, missing: drop, drop: [group]`,
    `path: ${a}, text: ordinal, missing: { colour: drop, "*": { constant: 3 } }, drop: [group]`,
    `files: { train: ${a}, test: [${a}, ${a}] }, ${common}`,
  ]
  for (const each of cases) await compare(t, `- use: load/csv\n  with: { ${each}, label: label }`, MEMORY, each)
})

t.test('a column whose type is found late is the same', async (t) => {
  // The codes of numbers that lie in the file already become numbers.
  const lines = index.map((i) => `${i < 1200 ? i % 7 : i},${names.map((_, j) => (i * j) % 11).join(',')},${i % 2}`)
  const folder = temporary(t, { 'a.csv': `late,${names.join(',')},label\n${lines.join('\n')}\n` })
  const entry = `- use: load/csv\n  with: { path: ${folder}/a.csv, text: one-hot, maxCategories: 100 }`
  await compare(t, entry, MEMORY, 'late')
})

t.test('arrays, images and binary files are dealt in pieces, too', async (t) => {
  const [count, width] = [2000, 64]
  const pixels = Uint8Array.from({ length: count * width }, () => random.below(256))
  const classes = Uint8Array.from({ length: count }, () => random.below(5))
  const floats = Float32Array.from(pixels, (value) => value / 7)
  const image = 3073
  const cifar = Uint8Array.from({ length: 60 * image }, (_, i) => (i % image === 0 ? (i / image) % 10 : i % 251))
  const folder = temporary(t, {
    'x.npy': bytesNpy([count, 8, 8], pixels),
    'f.npy': npyOfNumbers(floats, [count, width]),
    'y.npy': bytesNpy([count], classes),
    'x.idx': idxBytes([count, 8, 8], pixels),
    'y.idx': idxBytes([count], classes),
  })
  writeFileSync(join(folder, 'a.bin'), cifar)
  const files = `files: { train: { images: x.idx, labels: y.idx }, test: { images: x.idx, labels: y.idx } }`
  const fractions = 'fractions: { train: 0.6, validation: 0.3 }, stratify: true'
  const cases = [
    `numpy, with: { path: ${folder}/x.npy, labels: ${folder}/y.npy, ${fractions} }`,
    `numpy, with: { path: ${folder}/f.npy, labels: ${folder}/y.npy, ${fractions} }`,
    `numpy, with: { path: ${folder}/x.npy, labels: ${folder}/y.npy }`,
    `idx, with: { directory: ${folder}, ${files}, ${fractions} }`,
    `idx, with: { directory: ${folder}, ${files} }`,
    `cifar10, with: { directory: ${folder}, train: [a.bin, a.bin], test: [a.bin], holdOut: 80 }`,
  ]
  for (const each of cases) await compare(t, `- { use: load/${each} }`, 60_000, each)
})

t.test('rows that a file has once, and names several times, stay as they are', async (t) => {
  // A Parquet file keeps equal rows in a dictionary. Blocks of rows that follow one another in it are views of its memory.
  const [different, width] = [300, 1024]
  const pixels = Array.from({ length: different }, () => Uint8Array.from({ length: width }, () => random.below(256)))
  const rows = Array.from({ length: 2000 }, (_, i) => pixels[i < different ? i : random.below(different)]!)
  const image = {
    name: 'image',
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: width,
    repetition_type: 'REQUIRED',
  } as const
  const file = parquetOf(rows.length, [
    [image, rows],
    [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, Int32Array.from(rows, (_, i) => i % 3)],
  ])
  const folder = temporary(t, { 'a.parquet': file })
  await compare(t, `- use: load/parquet\n  with: { path: ${folder}/a.parquet }`, 200_000, 'dictionary')
})

t.test('rows for a model come while the file is read, also if it is still being written', async (t) => {
  const folder = temporary(t)
  const path = join(folder, 'a.csv')
  const model = storedModel(t)
  const entry = `- use: load/csv\n  with: { path: ${path}, model: ${model} }`
  const line = (i: number): string => `${i},${i + 0.5},${-i},${i % 2 ? 'yes' : 'no'}\n`
  const lines = Array.from({ length: 30_000 }, (_, i) => line(i))
  writeFileSync(path, `a,b,c,label\n${lines.join('')}`)
  const { tables, notes } = await runStage(t, entry)
  t.ok(tables.length > 1, `${tables.length} tables`)
  t.strictSame(notes, [])
  const parts = tables.map((table) => kernelRows(table))
  const found = parts.flatMap(({ values, labels, row }) =>
    [...labels].map((label, i) => [row![i], ...values.subarray(3 * i, 3 * i + 3), label]),
  )
  t.equal(JSON.stringify(found), JSON.stringify(lines.map((_, i) => [i, i, i + 0.5, -i, i % 2])))
  writeFileSync(path, `a,b,c,label\n${lines.join('')}1,2,x,no\n`)
  t.match((await errorOf(runStage(t, entry)))[1], /a\.csv:30002: column c: expected a finite number, got "x"/)

  writeFileSync(path, 'a,b,c,label\n')
  const growing = growingFile(path)
  growing.grew(12)
  await t.rejects(hasGrown(path, 12, AbortSignal.abort()), { name: 'AbortError' }, 'a stopped run does not wait')
  let rows = 0
  const opened = openStage(t, entry)
  const ended = opened.tables.forEach((table) => {
    rows += table.numRows
  })
  for (let i = 0; i < 3; i++) {
    appendFileSync(path, line(i))
    growing.grew(line(i).length)
    for (let waits = 0; rows <= i && waits < 500; waits++) await new Promise((resolve) => setTimeout(resolve, 2))
    t.equal(rows, i + 1, `row ${i} is there before the next one is written`)
  }
  growing.end()
  await ended
  t.equal(rows, 3)
})
