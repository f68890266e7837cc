import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Table } from 'apache-arrow'
import t, { type Test } from 'tap'
import { storedRows } from '../../../dist/pipeline/stage-kit.js'
import { storedModel } from '../../models.js'
import { errorOf, problemsOf, runStage, temporary } from '../harness.js'
import { idxBytes } from './idx-files.js'

const arrays = (features: number) => [
  { name: 'W', shape: [2, features], values: new Float32Array(2 * features) },
  { name: 'b', shape: [2], values: new Float32Array(2) },
]

const labelsOf = (tables: readonly Table[]): number[] => tables.flatMap((table) => [...storedRows(table).labels])

t.test('load/idx reads images for a model, with labels or without', async (t) => {
  const shape = [1, 2, 2]
  const images = idxBytes([3, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  const folder = temporary(t, {
    a: images,
    b: gzipSync(images),
    labels: idxBytes([3], [0, 1, 1]),
    other: idxBytes([3], [0, 7, 1]),
  })
  const entry = (model: string, files: string) =>
    `- use: load/idx\n  with: { directory: ${folder}, model: ${model}, files: ${files} }`
  const model = storedModel(t, { shape, arrays: arrays(4) })
  const { tables } = await runStage(t, entry(model, '{ x: { images: a }, y: { images: b, labels: labels } }'))
  t.strictSame(labelsOf(tables), [-1, -1, -1, 0, 1, 1], 'names that are no numbers are counted from 0')
  t.strictSame(
    tables.map((table) => table.schema.metadata.get('split')),
    ['data', 'data'],
  )
  t.strictSame([...storedRows(tables[1]!).stored], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  const numbered = storedModel(t, { shape, arrays: arrays(4), classes: ['1', '0'] })
  const found = await runStage(t, entry(numbered, '{ y: { images: a, labels: labels } }'))
  t.strictSame(labelsOf(found.tables), [1, 0, 0], 'names that are numbers are the labels')
  const wide = storedModel(t, { shape: [1, 2, 3], arrays: arrays(6) })
  const cases: [entry: string, message: RegExp][] = [
    [
      entry(wide, '{ x: { images: a } }'),
      /a: expected examples of 1 × 2 × 3, as the model was trained on, found 1 × 2 × 2$/,
    ],
    [
      entry(model, '{ x: { images: a, labels: other } }'),
      /other: label 1: expected a class of the model \(no, yes\), found 7$/,
    ],
    [entry(model, '{ x: { images: a, labels: nope } }'), /nope/],
  ]
  for (const [given, message] of cases) t.match((await errorOf(runStage(t, given)))[1], message)
  const text = entry(model, '{ x: { images: a } }')
  t.match(
    await problemsOf(t, text.replace('files', 'fractions: { train: 1 }, classes: [a, b], files')),
    /fractions: with `model` all rows.*\n.*classes: with `model`/,
  )
  t.match(
    await problemsOf(t, text.replace(`model: ${model}, `, '')),
    /expected `labels`, the file of the labels of these images/,
  )
})

t.test('load/cifar10 and load/digits read rows for a model of their shape and classes', async (t) => {
  const folder = temporary(t)
  const record = (label: number) => Uint8Array.from({ length: 3073 }, (_, i) => (i === 0 ? label : label + 1))
  writeFileSync(join(folder, 'data.bin'), Buffer.concat([record(3), record(5)]))
  const classes = ['dog', 'cat']
  const cifar = (model: string) =>
    `- use: load/cifar10\n  with: { directory: ${folder}, train: [data.bin], model: ${model} }`
  const pets = storedModel(t, { shape: [3, 32, 32], arrays: arrays(3072), classes })
  const { tables } = await runStage(t, cifar(pets))
  t.strictSame(labelsOf(tables), [1, 0])
  t.equal(storedRows(tables[0]!).stored[3072], 6)
  const birds = storedModel(t, { shape: [3, 32, 32], arrays: arrays(3072), classes: ['cat', 'bird'] })
  t.match(
    (await errorOf(runStage(t, cifar(birds))))[1],
    /data\.bin: record 1: expected a class of the model \(cat, bird\), found dog$/,
  )
  t.match(
    (await errorOf(runStage(t, cifar(storedModel(t)))))[1],
    /expected examples of 3, as the model was trained on, found 3 × 32 × 32$/,
  )
  t.match(await problemsOf(t, `${cifar(pets).slice(0, -1)}, holdOut: 1 }`), /holdOut: with `model` all rows/)

  const ten = Array.from({ length: 10 }, (_, i) => String(9 - i))
  const digits = storedModel(t, { shape: [1, 8, 8], arrays: arrays(64), classes: ten })
  const read = await runStage(t, `- use: load/digits\n  with: { model: ${digits} }`)
  t.strictSame(labelsOf(read.tables).slice(0, 3), [9, 8, 7])
  t.equal(labelsOf(read.tables).length, 1797)
  t.match(
    await problemsOf(t, `- use: load/digits\n  with: { model: ${digits}, fractions: { a: 1 } }`),
    /fractions: with `model`/,
  )
})

/** The features that a model without names gets from a file of texts. */
async function byPosition(t: Test, text: string, options: string, features = 2) {
  const file = join(temporary(t, { 'a.csv': text }), 'a.csv')
  const model = storedModel(t, { shape: [features], arrays: arrays(features) })
  const entry = `- use: load/csv\n  with: { path: ${file}, model: ${model}, header: false, ${options} }`
  return { entry, read: async () => (await runStage(t, entry)).tables }
}

t.test('columns by position: select keeps its order, and the label may be missing', async (t) => {
  for (const [text, options] of [
    ['1,2,yes', 'select: [1, 0]'],
    ['1,2,yes', 'select: [1, 0], label: 2'],
    ['9,1,2,yes', 'select: [-2, 1]'],
    ['1,2', 'select: [1, 0], label: 2'],
    ['2,1', 'label: 2'],
    ['2,1', 'label: "2"'],
    ['2,1', 'label: -1'],
    ['2,9,1', 'drop: [1]'],
  ] as const) {
    const tables = await (await byPosition(t, `${text}\n`, options)).read()
    t.strictSame([...storedRows(tables[0]!).stored], [2, 1], options)
    t.strictSame(labelsOf(tables), [text.includes('yes') ? 1 : -1], options)
  }
})

t.test('columns by position: what would be other columns is refused', async (t) => {
  for (const [text, options, message] of [
    [
      '1,2,3',
      'drop: [-2]',
      /has no label column, so columns that are counted from the end .* give drop with indices from 0/,
    ],
    ['1,2', 'select: [-1, 0]', /has no label column, .* give select with indices from 0/],
    ['1,2,3', 'select: [0]', /the model takes 2 columns .*, the file has 3, and select names 1/],
  ] as const)
    t.match((await errorOf((await byPosition(t, `${text}\n`, options)).read()))[1], message)
})

t.test('columns of one name are in the order of the model; blanks in a name stay', async (t) => {
  const columns = [' x', 'y', 'y'].map((name) => ({ kind: 'number' as const, name }))
  const folder = temporary(t, { 'a.csv': 'z,y,y\n1,2,3\n', 'a.jsonl': '{ " x": 1 }\n' })
  const twins = storedModel(t, { shape: [2], arrays: arrays(2), columns: columns.slice(1), names: ['y', 'y'] })
  const csv = `- use: load/csv\n  with: { path: ${join(folder, 'a.csv')}, model: ${twins}, label: sick, drop: [z] }`
  const { tables, notes } = await runStage(t, csv)
  t.strictSame([...storedRows(tables[0]!).stored], [2, 3])
  t.match(notes, [/no column "sick", so the rows have no labels/])
  const blank = storedModel(t, { shape: [1], arrays: arrays(1), columns: columns.slice(0, 1), names: [' x'] })
  const jsonl = `- use: load/jsonl\n  with: { path: ${join(folder, 'a.jsonl')}, model: ${blank} }`
  const lines = await runStage(t, jsonl)
  t.strictSame([...storedRows(lines.tables[0]!).stored], [1])
})
