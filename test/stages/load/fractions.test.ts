import t from 'tap'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { deal, fractions } from '../../../dist/stages/load/fractions.js'
import { failureOf, runStage, temporary } from '../harness.js'

const random = () => randomStream(1, 'load', 'split')

t.test('deal gives each split its share, and every row to at most one', (t) => {
  const cases: [rows: number, parts: Record<string, number>, counts: number[]][] = [
    [10, { a: 0.5, b: 0.5 }, [5, 5]],
    [10, { a: 0.7, b: 0.15, c: 0.15 }, [7, 2, 1]],
    [7, { a: 0.5, b: 0.5 }, [4, 3]],
    [10, { a: 0.2, b: 0.3 }, [2, 3]],
    [3, { a: 1 / 3, b: 1 / 3, c: 1 / 3 }, [1, 1, 1]],
    [10, { a: 0.1, b: 0.2, c: 0.7 }, [1, 2, 7]],
    [1, { a: 0.4, b: 0.6 }, [0, 1]],
    [0, { a: 1 }, [0]],
  ]
  for (const [rows, parts, counts] of cases) {
    const splits = deal(rows, parts, random())
    t.strictSame([...splits.keys()], Object.keys(parts))
    t.strictSame(
      [...splits.values()].map((order) => order.length),
      counts,
      JSON.stringify(parts),
    )
    const dealt = [...splits.values()].flatMap((order) => [...order])
    t.equal(new Set(dealt).size, dealt.length)
    t.ok(dealt.every((row) => row < rows))
  }
  t.end()
})

t.test('deal permutes the rows, the same way for the same stream', (t) => {
  const first = [...deal(100, { a: 1 }, random()).get('a')!]
  t.strictSame([...deal(100, { a: 1 }, random()).get('a')!], first)
  t.notSame(
    first,
    [...first].sort((a, b) => a - b),
  )
  t.end()
})

t.test('fractions that add up to 1 only up to rounding are accepted', (t) => {
  t.ok(fractions.safeParse({ a: 0.7, b: 0.1, c: 0.1, d: 0.1 }).success)
  t.notOk(fractions.safeParse({ a: 0.7, b: 0.301 }).success)
  t.end()
})

t.test(
  'a split that the fractions leave empty is a table without rows, and an error where rows are needed',
  async (t) => {
    const directory = temporary(t, { 'few.csv': 'x,y,label\n1,2,a\n3,4,b\n5,7,a\n' })
    const load = (parts: string) => `- use: load/csv\n  with: { path: ${directory}/few.csv, fractions: ${parts} }`
    const { tables } = await runStage(t, load('{ train: 0.9, test: 0.1 }'))
    t.strictSame(
      tables.map((table) => table.numRows),
      [3, 0],
    )
    const cases: [parts: string, stages: string, message: string][] = [
      ['{ train: 0.1, test: 0.9 }', '- use: normalize/standardize', 'no rows of the split "train" arrived to fit on'],
      [
        '{ train: 0.1, test: 0.9 }',
        '- use: batch/rows\n  with: { size: 1, epochs: 1 }',
        'the split "train" has no rows',
      ],
      [
        '{ train: 0.9, test: 0.1 }',
        [
          '- id: examples\n  use: normalize/standardize',
          '- use: batch/rows\n  with: { size: 1, epochs: 1 }',
          '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }',
          '- use: evaluate/classification\n  from: { parameters: model, examples: examples }',
        ].join('\n'),
        'the split "test" has no rows to evaluate',
      ],
    ]
    for (const [parts, stages, message] of cases)
      t.strictSame(await failureOf(t, `${load(parts)}\n${stages}`), ['DATA', message])
  },
)
