import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { peekCommand } from '../../dist/cli/peek.js'
import { peekLines } from '../../dist/cli/peek-text.js'
import { cellsOf } from '../../dist/pipeline/base/cells.js'
import { examples } from '../../dist/pipeline/wires/plain-rows.js'
import { lookAtExamples } from '../../dist/report/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { collectedOutput } from './printed.js'

/** What the command prints on a terminal of this width. */
async function peek(name: string, flags: object = {}, width: number | undefined = 80): Promise<string> {
  const { seen, output } = collectedOutput()
  const terminal = { ...output, interactive: true, width, errorWidth: width }
  await peekCommand(name, { set: [], ...flags } as never, terminal)
  return seen.all
}

function pipelineIn(t: Test): string {
  const rows = Array.from({ length: 40 }, (_, i) => `${i % 4},${i / 8},${i % 2 === 0 ? 'yes' : 'no'}`)
  const stages = `name: small
stages:
  - use: load/csv
    with: { path: a.csv, label: answer, fractions: { all: 1 } }
  - id: split
    use: split/rows
    with: { split: all, fractions: { train: rest, test: 10 } }
  - id: scaled
    use: normalize/min-max
  - id: batches
    use: batch/rows
    with: { size: 8, epochs: 1000000 }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.1 }
  - use: sink/parameters
`
  const folder = temporary(t, { 'a.csv': `x,the second feature,answer\n${rows.join('\n')}\n`, 'a.yaml': stages })
  return join(folder, 'a.yaml')
}

t.test('peek shows what comes out of a stage; nothing is trained, no file is written', async (t) => {
  const file = pipelineIn(t)
  const text = await peek(file)
  t.match(
    text,
    /^small: after stages\[1\] split\/rows \(split\)\n40 rows × 2 features\nfeatures: Float32\[2\], label: Int32, row: Int32\n/,
  )
  t.match(text, /\nclass +train +test\nno +\d+ +\d\nyes +\d+ +\d\n/)
  t.match(text, /\nx +0 +1\.5 +3 +1\.12 +25 % {2}████\nthe second feature +0 +2\.44 +4\.88 /)
  t.match(await peek(file, { after: 'csv' }), /\nclass {2}all\nno +20\nyes +20\n/)
  const after = JSON.parse(await peek(file, { after: 'scaled', json: true }))
  t.match(after, { pipeline: 'small', after: 'scaled', shape: [2], classes: ['no', 'yes'], notes: [] })
  t.match(after.features, [{ name: 'x', min: 0, max: 1 }, { name: 'the second feature' }])
  t.strictSame(
    after.splits.map(({ rows }: { rows: number }) => rows),
    [30, 10],
  )
  const batches = JSON.parse(await peek(file, { after: 'batches', json: true, set: ['batches.size=7'] }))
  t.match(batches, { splits: [{ name: 'train', rows: 30 }] }, 'one of a million epochs')
})

t.test('a narrow terminal has the same columns, in lines that fit', async (t) => {
  const classes = Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(50, 'x'))
  const values = Array.from({ length: 40 }, (_, i) => Array.from({ length: 50 }, (_, j) => (i - 3) * 10 ** (j - 20)))
  const plain = { values, type: 'float32' as const, classes, weights: values.map((_, i) => i) }
  const tables = ['train', 'validation', 'test'].map((split) => examples({ ...plain, split }))
  const look = (await lookAtExamples(tables, () => undefined))!
  for (const width of [40, 60, 200]) {
    const lines = peekLines(look, width)
    t.ok(
      lines.every((line) => cellsOf(line) <= width),
      `${width} columns`,
    )
    const text = lines.join('\n')
    t.match(text, /^120 rows × 50 features\n/)
    t.match(text, /\n… and 18 more classes\n/)
    t.match(text, /\n\(weight\) +780 +780 +780\n/)
    t.match(text, /\n… and 20 more \(--json has all\)$/)
    t.match(text, / [▁▂▃▄▅▆▇█]{4,}\n/)
  }
})

t.test('statistics are those of the numbers, constants and channels too', async (t) => {
  const values = [
    [0, 0, 1, 2, 255, 255, 255, 255, 7, 7, 7, 7],
    [0, 4, 1, 2, 255, 255, 255, 255, 7, 7, 7, 8],
  ]
  const table = examples({ values, shape: [3, 2, 2], labels: [0, 1] })
  const { features } = (await lookAtExamples([table], () => undefined))!
  t.match(features, [
    { name: 'red', min: 0, max: 4, mean: 1.25, zeros: 3 / 8, histogram: [3, 2, 2, 0, 1] },
    { name: 'green', min: 255, max: 255, deviation: 0, histogram: [8] },
    { name: 'blue', min: 7, max: 8, mean: 57 / 8, histogram: [7, 1] },
  ])
  t.equal(await lookAtExamples([], () => undefined), undefined)
})

t.test('a sheet shows images of every class', async (t) => {
  const sheet = join(temporary(t), 'sheet.png')
  t.match(await peek('digits', { sheet, after: 'examples' }), /images in .*sheet\.png\n$/)
  t.strictSame([...readFileSync(sheet).subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47])
})

t.test('what cannot be looked at is told', async (t) => {
  const file = pipelineIn(t)
  const cases: [flags: object, message: RegExp][] = [
    [
      { after: 'model' },
      /^--after model: that stage gives neither examples nor batches; expected csv, split, scaled or batches$/,
    ],
    [{ after: 'batchs' }, /^--after batchs: there is no stage with that id; did you mean "batches"\?; expected csv/],
    [{ sheet: 'x.svg' }, /^--sheet x\.svg: expected the name of a PNG file/],
    [{ sheet: '/nowhere/x.png' }, /^--sheet: the examples are no images \(shape 2\); expected a shape/],
    [{ set: ['split.fractions={ train: 100 }'] }, /split\/rows: the splits train \(100\) need 100 rows, there are 40/],
    [{ set: ['csv.path=none.csv'] }, /load\/csv: cannot read none\.csv: no such file/],
  ]
  for (const [flags, message] of cases) t.match((await errorOf(peek(file, flags)))[1], message)
})
