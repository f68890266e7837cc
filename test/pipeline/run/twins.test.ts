import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, type RunRecord, run } from '../../../dist/index.js'
import { Twins } from '../../../dist/pipeline/run/twins.js'
import { examples, type PlainRows } from '../../../dist/pipeline/wires/plain-rows.js'
import { temporary } from '../../stages/harness.js'

async function found(tables: readonly Partial<PlainRows>[], most?: number): Promise<string[]> {
  const twins = new Twins(most)
  for (const table of tables) twins.add(examples({ values: [], type: 'float32', classes: ['a', 'b'], ...table }))
  return twins.find()
}

/** Rows of 200 features that differ in one place, where the first look does not look. */
const long = (at: number) => Array.from({ length: 200 }, (_, j) => (j === at ? 1 : 0))

t.test('equal rows in different splits are counted, each row once, with labels that differ', async (t) => {
  const cases: [tables: Partial<PlainRows>[], notes: string[]][] = [
    [
      [
        {
          values: [
            [1, 2],
            [1, 2],
            [3, 4],
          ],
        },
        { split: 'test', values: [[5, 6]] },
      ],
      [],
    ],
    [
      [
        {
          values: [
            [1, 2],
            [3, 4],
          ],
        },
        {
          split: 'test',
          values: [
            [1, 2],
            [5, 6],
          ],
        },
      ],
      ['1 of 2 rows of test is in train too, with equal features'],
    ],
    [
      [
        {
          values: [
            [1, 2],
            [1, 2],
            [3, 4],
          ],
          labels: [0, 0, 1],
        },
        {
          split: 'test',
          values: [
            [1, 2],
            [1, 2],
            [3, 4],
          ],
          labels: [0, 1, 1],
        },
        { split: 'validation', values: [[3, 4]], labels: [0] },
      ],
      [
        '3 of 3 rows of test are in train too, with equal features; 1 of them has another label there',
        '1 of 1 rows of validation is in train too, with equal features; 1 of them has another label there',
      ],
    ],
    [
      [{ values: [[0, 7]] }, { split: 'test', values: [[-0, 7]] }],
      ['1 of 1 rows of test is in train too, with equal features'],
    ],
    [
      [
        { values: [[1, 7]], type: 'uint8' },
        { split: 'test', values: [[1, 7]] },
      ],
      ['1 of 1 rows of test is in train too, with equal features'],
    ],
    [[{ values: [long(1), long(2)] }, { split: 'test', values: [long(4)] }], []],
    [
      [{ values: [long(1), long(2)] }, { split: 'test', values: [long(2)] }, { values: [[0, 1]].map(() => long(5)) }],
      ['1 of 1 rows of test is in train too, with equal features'],
    ],
    [[{ values: [[1]] }, { split: 'test', values: [] }], []],
    [[], []],
  ]
  for (const [tables, notes] of cases) t.strictSame(await found(tables), notes)
})

t.test('of more rows than fit there is a sample, of equal rows both or none', async (t) => {
  const values = Array.from({ length: 1000 }, (_, i) => [i, i % 7])
  const [note] = await found([{ values }, { split: 'test', values }], 500)
  t.match(note, /^\d+ of 1000 rows of test are in train too, with equal features \(in a sample of one row in 4\)$/)
  const count = Number(note!.split(' ')[0])
  t.ok(count > 180 && count < 320, `${count} of 1000 are in the sample`)
})

t.test('a run tells it where the rows are divided for the last time, and what was divided', async (t) => {
  const lines = ['x,y,class', '1,2,a', '3,4,b', '5,6,a', '7,8,b', '1,2,a', '3,4,b', '5,6,b', '9,9,a']
  const folder = temporary(t, { 'a.csv': `${lines.join('\n')}\n` })
  const pipeline = await Pipeline.define({
    name: 'p',
    stages: [
      { use: 'load/csv', with: { path: join(folder, 'a.csv'), fractions: { all: 1 }, assign: 'order' } },
      { use: 'split/rows', with: { split: 'all', fractions: { train: 4, test: 'rest' }, assign: 'order' } },
      { use: 'batch/rows', with: { size: 2, epochs: 1 } },
      { use: 'gradient-step/softmax', with: { eta: 0.1 } },
    ],
  })
  const { record } = await run(pipeline, { out: join(folder, 'run'), kernel: 'reference' })
  t.match(record.notes, [
    'rows: 3 of 4 rows of test are in train too, with equal features; 1 of them has another label there',
  ])
  const { examples } = JSON.parse(readFileSync(join(folder, 'run/run.json'), 'utf8')) as RunRecord
  t.match(examples, {
    csv: { shape: [2], classes: ['a', 'b'], splits: [{ name: 'all', rows: 8, perClass: [4, 4] }] },
    rows: {
      splits: [
        { name: 'train', rows: 4 },
        { name: 'test', rows: 4 },
      ],
    },
  })
})
