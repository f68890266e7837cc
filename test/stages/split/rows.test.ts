import type { Table } from 'apache-arrow'
import { lastValueFrom, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { examples, type PlainRows } from '../../../dist/pipeline/wires/plain-rows.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'

const entry = (options: string) => `- id: split\n  use: split/rows\n  with: { ${options} }`

/** Rows `[i, i % 10]` of three classes, of which the first has half. */
function given(count = 60, more: Partial<PlainRows> = {}): Table {
  const index = Array.from({ length: count }, (_, i) => i)
  return examples({
    values: index.map((i) => [i, i % 10]),
    labels: index.map((i) => (i % 2 === 0 ? 0 : 1 + (i % 3 === 0 ? 1 : 0))),
    classes: ['a', 'b', 'c'],
    type: 'float32',
    ...more,
  })
}

/** The numbers of the rows of each split, as the column `row` has them. */
async function split(t: Test, options: string, tables = [given()]): Promise<Record<string, number[]>> {
  const done = await runStage(t, entry(options), { examples: tables })
  return Object.fromEntries(done.tables.map((table) => [splitOf(table), [...kernelRows(table).row!]]))
}

const sorted = (rows: readonly number[] = []) => rows.toSorted((a, b) => a - b)
const sizes = (splits: Record<string, number[]>) =>
  Object.fromEntries(Object.entries(splits).map(([name, rows]) => [name, rows.length]))
const everything = Array.from({ length: 60 }, (_, i) => i)

t.test(
  'shares, numbers and the rest; every row is in one split, with its label, its values and its weight',
  async (t) => {
    const cases: [fractions: string, sizes: Record<string, number>][] = [
      ['{ train: 0.8, test: 0.2 }', { train: 48, test: 12 }],
      ['{ train: rest, test: 7 }', { train: 53, test: 7 }],
      ['{ train: 0.5, validation: 7, test: rest }', { train: 30, validation: 7, test: 23 }],
      ['{ a: 1 }', { a: 60 }],
      ['{ train: 60, test: rest }', { train: 60, test: 0 }],
    ]
    for (const more of ['', ', stratify: true', ', assign: order', ', seed: 3'])
      for (const [fractions, expected] of cases) {
        const splits = await split(t, `fractions: ${fractions}${more}`)
        t.strictSame(sizes(splits), expected, `${fractions}${more}`)
        t.strictSame(sorted(Object.values(splits).flat()), everything)
      }
    const weights = everything.map((i) => i / 4)
    const { tables } = await runStage(t, entry('fractions: { train: rest, test: 0.25 }'), {
      examples: [given(60, { weights })],
    })
    for (const table of tables) {
      const { values, labels, row, weight } = kernelRows(table)
      for (const [i, from] of row!.entries()) {
        t.strictSame([values[2 * i], values[2 * i + 1], weight![i]], [from, from % 10, from / 4])
        t.equal(labels[i], kernelRows(given()).labels[from])
      }
      t.strictSame(layoutOf(table).classes, ['a', 'b', 'c'])
    }
  },
)

t.test('the last rows, classes in equal shares, groups that stay together', async (t) => {
  t.strictSame(await split(t, 'fractions: { train: rest, test: 5 }, assign: order'), {
    train: everything.slice(0, 55),
    test: everything.slice(55),
  })
  const shuffled = given(4, { rows: [2, 0, 3, 1] })
  t.strictSame(
    await split(t, 'fractions: { train: rest, test: 2 }, assign: order', [shuffled]),
    { train: [0, 1], test: [2, 3] },
    'the last of the source, although the rows came in another order',
  )
  const sparse = given(4, { rows: [200, 7, 200, 1] })
  t.strictSame(await split(t, 'fractions: { train: rest, test: 2 }, assign: order', [sparse]), {
    train: [1, 7],
    test: [200, 200],
  })
  const { test } = await split(t, 'fractions: { train: rest, test: 0.2 }, stratify: true')
  t.strictSame(
    [0, 1, 2].map((label) => test!.filter((row) => kernelRows(given()).labels[row] === label).length),
    [6, 4, 2],
  )
  for (const folds of [
    'fractions: { train: rest, test: 0.3 }',
    'folds: 3',
    'fractions: { train: rest, test: 0.3 }, assign: hash',
  ]) {
    const splits = await split(t, `${folds}, group: [1]`)
    const groups = Object.values(splits).map((rows) => new Set(rows.map((row) => row % 10)))
    t.ok(
      [...groups[0]!].every((group) => !groups[1]!.has(group)),
      folds,
    )
    t.equal(groups[0]!.size + groups[1]!.size, 10)
  }
})

t.test('with groups and classes, each split has about its share of each class', async (t) => {
  // Fifty groups of three rows; most groups have rows of one class only, and class c is rare.
  const table = () => {
    const index = Array.from({ length: 150 }, (_, i) => i)
    const labels = index.map((i) => (Math.floor(i / 3) % 10 === 0 ? 2 : Math.floor(i / 3) % 3 === 0 ? 1 : 0))
    return examples({
      values: index.map((i) => [i, Math.floor(i / 3)]),
      labels,
      classes: ['a', 'b', 'c'],
      type: 'float32',
    })
  }
  const { labels } = kernelRows(table())
  const counts = (rows: readonly number[]) =>
    [0, 1, 2].map((label) => rows.filter((row) => labels[row] === label).length)
  for (const seed of [1, 2, 3]) {
    const splits = await split(t, `fractions: { train: rest, test: 0.2 }, stratify: true, group: [1], seed: ${seed}`, [
      table(),
    ])
    t.strictSame(
      counts(splits.test!),
      counts(Array.from(labels.keys())).map((count) => count / 5),
    )
    const groups = new Set(splits.test!.map((row) => Math.floor(row / 3)))
    t.notOk(splits.train!.some((row) => groups.has(Math.floor(row / 3))))
    const held: number[] = []
    for (const fold of [1, 2, 3, 4, 5]) {
      const { validation } = await split(t, `folds: 5, fold: ${fold}, stratify: true, group: [1], seed: ${seed}`, [
        table(),
      ])
      t.equal(counts(validation!)[2], 3, 'the rare class is in every fold')
      held.push(...validation!)
    }
    t.equal(new Set(held).size, 150)
  }
})

t.test('by hash, a row keeps its split when others are added, in any order, as bytes or as floats', async (t) => {
  const options = 'fractions: { train: rest, test: 0.3 }, assign: hash'
  const few = await split(t, options)
  const more = await split(t, options, [given(120)])
  const inFew = (rows: number[]) => rows.filter((row) => row < 60)
  t.strictSame([inFew(more.train!), inFew(more.test!)], [few.train, few.test])
  t.strictSame(await split(t, options, [given(60, { type: 'uint8' })]), few)
  t.ok(few.test!.length > 9 && few.test!.length < 27, String(few.test!.length))
  t.notSame(await split(t, `${options}, seed: 8`), few, 'another seed is another division')
})

t.test('the folds are the rows, each once; classes are spread evenly; a fold is an option', async (t) => {
  for (const how of ['', ', stratify: true', ', assign: order', ', assign: hash', ', group: all']) {
    const held: number[] = []
    for (const fold of [1, 2, 3, 4, 5]) {
      const { train, validation } = await split(t, `folds: 5, fold: ${fold}${how}`)
      t.equal(train!.length + validation!.length, 60)
      if (!/hash/.test(how)) t.equal(validation!.length, 12)
      if (/stratify/.test(how))
        for (const [label, count] of [30, 20, 10].entries())
          t.equal(validation!.filter((row) => kernelRows(given()).labels[row] === label).length, count / 5)
      held.push(...validation!)
    }
    t.strictSame(sorted(held), everything, how)
  }
  t.strictSame(Object.keys(await split(t, 'folds: 2, to: test')), ['train', 'test'])
})

t.test('only the seed of the stage or of the definition matters, and only one split is divided', async (t) => {
  const options = 'split: all, fractions: { train: rest, test: 0.5 }'
  const tables = [given(4, { split: 'other' }), given(60, { split: 'all' })]
  const once = await runStage(t, entry(options), { examples: tables })
  t.strictSame(once.tables.map(splitOf), ['other', 'train', 'test'])
  t.equal(once.tables[0], tables[0], 'it passes unchanged')
  const seeded = async (seed: number) => {
    const { tables } = openStage(t, entry(options), { examples: [given(60, { split: 'all' })] }, { seed })
    return (await lastValueFrom(tables.pipe(toArray()))).map((table) => [...kernelRows(table).row!])
  }
  t.notSame(await seeded(1), await seeded(2), 'alone, the seed of the definition counts')
  const fixed = async (seed: number) => {
    const done = await runStage(t, entry(`${options}, seed: 9`), { examples: tables }, { seed })
    return done.tables.slice(1).map((table) => [...kernelRows(table).row!])
  }
  t.strictSame(await fixed(1), await fixed(2), 'its own seed counts, whatever seed a run is given')
})

t.test('what is wrong is told before data is read', async (t) => {
  const cases: [options: string, problem: string | RegExp][] = [
    ['split: train', 'expected one of "fractions" and "folds"'],
    ['folds: 3, fractions: { a: 1 }', 'expected one of "fractions" and "folds"'],
    ['folds: 1', /folds: expected an integer at least 2, got 1/],
    ['folds: 3, fold: 4', /fold: expected a fold from 1 to 3, got 4/],
    ['folds: 3, to: train', /to: expected another name than that of the split that is divided, got "train"/],
    ['folds: 3, to: test', /to: there is a split "test" already; expected another name, or "train"/],
    ['fractions: { train: 0.5, test: 0.5 }', /fractions\.test: there is a split "test" already/],
    ['fractions: { a: 0.7, b: 0.4 }', /fractions: expected one fraction or more, at most 1 in all/],
    ['fractions: { a: rest, b: rest }', /fractions: expected at most one split that gets the rest/],
    ['fractions: { a: 1.5 }', /fractions\.a: expected .*got 1\.5/],
    ['fractions: { a: 0 }', /fractions\.a: expected .*got 0/],
    ['split: trian, folds: 3', /split: no split named "trian" reaches this stage; it has train, validation and test/],
    ['fractions: { a: 3 }, assign: hash', /fractions\.a: a hash deals by shares of the rows, .* got 3/],
    ['folds: 3, assign: hash, stratify: true', /stratify: a hash does not know the classes; leave stratify out/],
    ['folds: 3, group: all, assign: order', /assign: groups are assigned at random or by hash/],
  ]
  const load = '- id: digits\n  use: load/digits\n'
  for (const [options, problem] of cases) t.match(await problemsOf(t, load + entry(options)), problem, options)
})

t.test('what is wrong with the data', async (t) => {
  const cases: [options: string, tables: Table[], message: string | RegExp][] = [
    [
      'fractions: { a: 50, b: 20 }',
      [given()],
      'the splits a (50) and b (20) need 70 rows, there are 60; ask for fewer',
    ],
    ['folds: 7', [given(6)], 'folds: 7 folds need 7 rows or more, there are 6'],
    ['folds: 11, group: [1]', [given()], 'folds: 11 folds need 11 groups or more, there are 10'],
    ['folds: 2, group: [2]', [given()], 'group: expected an index from 0 to 1, got 2'],
    ['folds: 2, group: [x]', [given()], 'group: the features have no names, expected indices from 0 to 1, got "x"'],
    ['folds: 2', [given(6, { split: 'test' })], 'no rows of the split "train" arrived; there are test'],
    ['folds: 2', [], 'no rows of the split "train" arrived; there are none at all'],
    ['folds: 2', [given(0)], 'folds: 2 folds need 2 rows or more, there are 0'],
    [
      'folds: 2, assign: hash',
      [given(6, { type: 'uint8', affine: { mean: Float64Array.of(1, 1), scale: Float64Array.of(1, 1) } })],
      /the features are normalised already, .*; put this stage before normalize/,
    ],
  ]
  for (const [options, tables, message] of cases) {
    const [code, found] = await errorOf(split(t, options, tables))
    t.equal(code, 'DATA', options)
    t.match(found, message)
  }
  const affine = { mean: Float64Array.of(1, 1), scale: Float64Array.of(1, 1) }
  const { notes } = await runStage(t, entry('folds: 2'), { examples: [given(6, { type: 'uint8', affine })] })
  t.match(notes, [/^the statistics of normalize\/\* come from all rows of train/])
})
