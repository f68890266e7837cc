import t from 'tap'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { deal, dealByClass, fractions } from '../../../dist/pipeline/stage/dealing.js'
import { failureOf, runStage, temporary } from '../../stages/harness.js'

const order = (rows: number, seed = 1) => randomStream(seed, 'load', 'split').permutation(rows)

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
    const splits = deal(order(rows), parts)
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
  const first = [...deal(order(100), { a: 1 }).get('a')!]
  t.strictSame([...deal(order(100), { a: 1 }).get('a')!], first)
  t.notSame(
    first,
    [...first].sort((a, b) => a - b),
  )
  t.end()
})

/** Row `i` has the class `i % classes`, but class 0 has `extra` rows more. */
const labelled = (rows: number, classes: number, extra = 0) =>
  Array.from({ length: rows + extra }, (_, i) => (i < rows ? i % classes : 0))

t.test('dealByClass gives every split its share of every class, and all splits their sizes', (t) => {
  const cases: [labels: number[], parts: Record<string, number>][] = [
    [labelled(100, 2), { a: 0.7, b: 0.15, c: 0.15 }],
    [labelled(90, 3, 10), { a: 0.8, b: 0.2 }],
    [labelled(3000, 1000), { a: 0.7, b: 0.15, c: 0.15 }],
    [labelled(50, 7), { a: 0.3, b: 0.3 }],
    [labelled(10, 5), { a: 1 }],
    [labelled(0, 1), { a: 0.5, b: 0.5 }],
  ]
  for (const [labels, parts] of cases) {
    const what = `${labels.length} rows, ${JSON.stringify(parts)}`
    const splits = dealByClass(order(labels.length), labels, parts)
    const dealt = [...splits.values()].flatMap((rows) => [...rows])
    t.equal(new Set(dealt).size, dealt.length, what)
    for (const [split, fraction] of Object.entries(parts)) {
      const rows = splits.get(split)!
      t.ok(Math.abs(rows.length - fraction * labels.length) < 1 + 1e-9, `${what}: ${split} has ${rows.length} rows`)
      for (const label of new Set(labels)) {
        const all = labels.filter((each) => each === label).length
        const here = [...rows].filter((row) => labels[row] === label).length
        t.ok(
          Math.abs(here - fraction * all) < 1 + 1e-9,
          `${what}: ${split} has ${here} of ${all} rows of class ${label}`,
        )
      }
    }
  }
  t.end()
})

t.test('dealByClass keeps the order of the permutation, and depends on nothing else', (t) => {
  const labels = labelled(40, 4)
  const first = dealByClass(order(40), labels, { a: 0.5, b: 0.5 })
  t.strictSame(dealByClass(order(40), labels, { a: 0.5, b: 0.5 }), first)
  t.notSame(dealByClass(order(40, 2), labels, { a: 0.5, b: 0.5 }), first)
  const place = new Map([...order(40)].map((row, i) => [row, i]))
  const places = [...first.get('a')!].map((row) => place.get(row)!)
  t.strictSame(
    places,
    [...places].sort((x, y) => x - y),
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
