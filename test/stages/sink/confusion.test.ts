import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EMPTY } from 'rxjs'
import t from 'tap'
import { errorOf, problemsOf, runStage } from '../harness.js'
import { examples, parameters } from '../tables.js'

const entry = (options = '{}') =>
  `- use: sink/confusion\n  from: { parameters: model, examples: examples }\n  with: ${options}`
const classes = ['no', 'yes', 'may, be']
/** The class is the position of the largest of three features. */
const identity = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
]
const model = parameters(identity, [0, 0, 0])
const train = examples([[1, 0, 0]], [0], { classes })
const test = examples(
  [
    [9, 0, 0],
    [9, 0, 0],
    [0, 9, 0],
    [0, 9, 0],
    [0, 9, 0],
  ],
  [0, 0, 0, 1, 2],
  { classes, split: 'test' },
)
const csv = (directory: string, path = 'figures/confusion.csv') => readFileSync(join(directory, path), 'utf8')

t.test('it counts, computes precision, recall and F1, and draws them', async (t) => {
  const inputs = { parameters: [parameters(identity, [99, 0, 0]), model], examples: [train, test] }
  const { directory } = await runStage(t, entry(), inputs)
  t.equal(
    csv(directory),
    [
      'class,rows,precision,recall,f1,predicted a,predicted b,predicted c',
      `a,3,1,${2 / 3},0.8,2,1,0`,
      `b,1,${1 / 3},1,0.5,0,1,0`,
      'c,1,,0,0,0,1,0',
      '',
    ].join('\n'),
    'with the last parameters, on test',
  )
  const svg = readFileSync(join(directory, 'figures/confusion.svg'), 'utf8')
  t.match(svg, '>test: 60.0 % of 5 rows right</text>')
  const again = await runStage(t, entry(), inputs)
  for (const name of ['svg', 'png', 'csv'].map((ending) => `figures/confusion.${ending}`))
    t.ok(readFileSync(join(again.directory, name)).equals(readFileSync(join(directory, name))), name)
})

t.test('the split is the one asked for, else test, else the last', async (t) => {
  const rowsOf = async (options: string, examples: (typeof train)[]) => {
    const { directory } = await runStage(t, entry(options), { parameters: [model], examples })
    return csv(directory).split('\n')[1]!.split(',')[1]
  }
  t.equal(await rowsOf('{ formats: [svg] }', [test, train]), '3')
  t.equal(await rowsOf('{ split: train, formats: [svg] }', [train, test]), '1')
  const other = examples(
    [
      [1, 0, 0],
      [1, 0, 0],
    ],
    [0, 0],
    { classes, split: 'other' },
  )
  t.equal(await rowsOf('{ formats: [svg] }', [train, other]), '2')
})

t.test('it refuses what it cannot classify; without parameters there is nothing', async (t) => {
  const failing = (options: string, examples: (typeof train)[]) =>
    errorOf(runStage(t, entry(options), { parameters: [model], examples }))
  t.strictSame(await failing('{ split: x }', [train]), ['DATA', 'the split "x" has no rows to classify'])
  t.strictSame(await failing('{}', []), ['DATA', 'no examples arrived to classify'])
  t.strictSame(await failing('{}', [examples([[1]], [0], { classes })]), [
    'DATA',
    'the parameters are for 3 features, the split "train" has 1',
  ])
  t.strictSame((await runStage(t, entry(), { parameters: EMPTY, examples: [train] })).tables, [])
  const head =
    '- id: examples\n  use: load/digits\n- use: batch/rows\n  with: { size: 9, epochs: 1 }\n- id: model\n  use: gradient-step/softmax\n  with: { eta: 1 }\n'
  t.match(
    await problemsOf(t, head + entry('{ split: tets }')),
    /sink\/confusion: split: no split named "tets" reaches this stage; it has train, validation and test/,
  )
})
