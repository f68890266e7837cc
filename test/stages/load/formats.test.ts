import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'
import { rows, type TableRow, tableFiles, truthStream, wholeFiles } from './table-files.js'

const entry = (format: string, options: string): string => `- use: load/${format}\n  id: data\n  with: { ${options} }`

t.test('the same table is the same examples, whatever the format of its file', async (t) => {
  const holes: readonly TableRow[] = rows.map(([size, colour, label], i) => [
    i % 7 === 3 ? undefined : size,
    i % 5 === 2 ? undefined : colour,
    label,
  ])
  const cases: [name: string, rows: readonly TableRow[], options: string][] = [
    ['all cells are there', rows, ''],
    ['cells are missing', holes, ', missing: { size: median, colour: mode }'],
    ['a constant', holes, ', missing: { size: { constant: -1 }, colour: { constant: none } }, unseen: ignore'],
    ['rows are left out', holes, ', missing: drop'],
    ['numbered texts', rows, ', text: ordinal'],
    [
      'blanks around texts',
      rows.map(([size, colour, label], i) => [size, i % 2 ? ` ${colour}  ` : i % 8 ? colour : ' ', label]),
      ', missing: mode',
    ],
    ['some columns', holes, ', select: [size], missing: mean'],
  ]
  for (const [name, content, options] of cases) {
    const found: Record<string, unknown> = {}
    for (const [format, fileOf] of Object.entries(tableFiles)) {
      const file = join(temporary(t, { data: fileOf(content) }), 'data')
      const text = options.includes('text:') || options.includes('select') ? '' : ', text: one-hot'
      const { tables } = await runStage(t, entry(format, `path: ${file}, stratify: true${text}${options}`))
      found[format] = tables.map((table) => {
        const { shape, classes, names, columns, label } = layoutOf(table)
        return [
          splitOf(table),
          { shape, classes, names, columns, label },
          featuresIn(table),
          labelsIn(table),
          table.getChild('row')?.toArray(),
        ]
      })
    }
    const { csv, ...others } = found
    t.ok((csv as unknown[]).length === 3, name)
    for (const [format, tables] of Object.entries(others)) t.strictSame(tables, csv, `${name}: ${format}`)
  }
})

t.test('a column of whole rows stays bytes, in Parquet', async (t) => {
  const images = Array.from({ length: 10 }, (_, i) => Uint8Array.from({ length: 12 }, (_, j) => (i * 23 + j * 7) % 256))
  const labels = images.map((_, i) => i % 3)
  const file = join(temporary(t, { data: wholeFiles.parquet!(images, labels) }), 'data')
  const { tables } = await runStage(t, entry('parquet', `files: { train: ${file} }, shape: [3, 2, 2]`))
  t.strictSame(
    [layoutOf(tables[0]!).shape, layoutOf(tables[0]!).classes],
    [
      [3, 2, 2],
      ['0', '1', '2'],
    ],
  )
  t.strictSame(
    featuresIn(tables[0]!),
    images.map((image) => [...image]),
  )
  t.strictSame(labelsIn(tables[0]!), labels)
  t.match(String(tables[0]!.schema.fields[0]!.type), /Uint8/)
})

t.test('load/arrow reads streams, truth values, and a pattern of files', async (t) => {
  const folder = temporary(t, { 'part-2.arrow': truthStream(), 'part-1.arrow': gzipSync(truthStream()), other: 'x' })
  const { tables } = await runStage(t, entry('arrow', `files: { all: "${folder}/part-*.arrow" }`))
  const once = [
    [1, 1],
    [0, 2],
    [1, 3],
    [1, 4],
  ]
  t.strictSame(
    [featuresIn(tables[0]!), labelsIn(tables[0]!)],
    [
      [...once, ...once],
      [0, 1, 0, 1, 0, 1, 0, 1],
    ],
  )
})

t.test('load/arff: a comment may follow the values of an attribute, as in supermarket.arff of Weka', async (t) => {
  const text =
    "@relation r\n@attribute a { 'x}', y\\}, z} % no {more}\n@attribute label {u,v} % all\n@data\n'x}',u\nz,v\n"
  const file = join(temporary(t, { 'data.arff': text }), 'data.arff')
  const { tables } = await runStage(t, entry('arff', `files: { train: ${file} }, text: ordinal`))
  t.strictSame(featuresIn(tables[0]!), [[0], [2]])
  t.strictSame(layoutOf(tables[0]!).classes, ['u', 'v'])
})

t.test('a path that is too long is told when the run reads it', async (t) => {
  for (const options of [`path: ${'x'.repeat(300)}`, `path: package.json, model: ${'x'.repeat(300)}`])
    t.match(await failureOf(t, entry('csv', options)), ['DATA', /cannot read .*x: the name is too long/])
})

t.test('a path with a null character is a mistake of the definition', async (t) => {
  for (const options of ['path: "a\\0.csv"', 'path: a.csv, model: "m\\0.arrow"'])
    t.match(await problemsOf(t, entry('csv', options)), /expected a path, found one with a null character in it/)
})
