import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'

const rows = Array.from({ length: 60 }, (_, i) => ({ x: i, y: i % 7, patient: `p${i % 12}`, label: i % 3 }))

const csv = (quoted = false) =>
  [
    'x,patient,y,label',
    ...rows.map(({ x, y, patient, label }) => `${x},${quoted ? `"${patient}"` : patient},${y},${label}`),
  ].join('\n')

/** The first feature of the rows of each split, which is the number of the row. */
async function splitsOf(t: Test, use: string, path: string, options: string): Promise<Record<string, number[]>> {
  const { tables } = await runStage(t, `- use: ${use}\n  id: data\n  with: { path: ${path}, label: label, ${options} }`)
  for (const table of tables) t.strictSame(layoutOf(table).names ?? ['x', 'y'], ['x', 'y'], 'the group is no feature')
  return Object.fromEntries(
    tables.map((table) => [splitOf(table), [...kernelRows(table).values].filter((_, i) => i % 2 === 0)]),
  )
}

t.test('rows of a group stay in one split, in every format; the column is no feature', async (t) => {
  const folder = temporary(t, {
    'a.csv': csv(),
    'quoted.csv': csv(true),
    'a.jsonl': rows
      .map((row) => JSON.stringify({ x: row.x, y: row.y, patient: row.patient, label: row.label }))
      .join('\n'),
  })
  const patients = (found: readonly number[] = []) => [...new Set(found.map((x) => x % 12))].sort()
  const stay = 'group: patient, fractions: { train: rest, test: 0.25 }'
  const expected = await splitsOf(t, 'load/csv', join(folder, 'a.csv'), stay)
  t.equal(expected.test!.length, 15)
  t.notOk(patients(expected.test).some((each) => patients(expected.train).includes(each)))
  t.strictSame(await splitsOf(t, 'load/csv', join(folder, 'quoted.csv'), stay), expected)
  t.strictSame(await splitsOf(t, 'load/jsonl', join(folder, 'a.jsonl'), stay), expected)

  const hash = 'group: patient, assign: hash, fractions: { train: rest, test: 0.4 }'
  const few = await splitsOf(t, 'load/csv', join(folder, 'a.csv'), hash)
  writeFileSync(join(folder, 'more.csv'), `${csv()}\n60,new,1,0\n61,newer,1,1\n`)
  const more = await splitsOf(t, 'load/csv', join(folder, 'more.csv'), hash)
  const known = (found: readonly number[] = []) => found.filter((x) => x < 60)
  t.ok(few.test!.length > 0 && few.train!.length > 0)
  t.strictSame([known(more.train), known(more.test)], [few.train, few.test], 'a row keeps its split')

  const held: number[] = []
  for (const fold of [1, 2, 3]) {
    const options = `group: patient, stratify: true, folds: 3, fold: ${fold}`
    const { train, validation } = await splitsOf(t, 'load/csv', join(folder, 'a.csv'), options)
    t.equal(train!.length + validation!.length, 60)
    t.notOk(patients(validation).some((each) => patients(train).includes(each)))
    held.push(...validation!)
  }
  t.equal(new Set(held).size, 60, 'each row is held out once')
})

t.test('with folds, fill values come from the training rows of each fold', async (t) => {
  // The missing cell is filled by the mean of the rows of `train`: x of a held-out row is 1000 times larger.
  const lines = Array.from({ length: 9 }, (_, i) => `${i === 4 ? '' : 10 ** i},${i},${i % 2}`)
  const path = join(temporary(t, { 'a.csv': `x,y,label\n${lines.join('\n')}\n` }), 'a.csv')
  for (const fold of [1, 2, 3]) {
    const { tables } = await runStage(
      t,
      `- use: load/csv\n  id: data\n  with: { path: ${path}, missing: mean, folds: 3, fold: ${fold} }`,
    )
    const [train, validation] = tables
    t.strictSame(tables.map(splitOf), ['train', 'validation'])
    const kept = [...kernelRows(train!).row!].filter((row) => row !== 4)
    const mean = kept.reduce((sum, row) => sum + Math.fround(10 ** row), 0) / kept.length
    for (const table of [train!, validation!]) {
      const { values, row } = kernelRows(table)
      const at = row!.indexOf(4)
      if (at >= 0) t.equal(values[2 * at], Math.fround(mean))
    }
  }
})

t.test('what is wrong is told before data is read', async (t) => {
  const cases: [options: string, problem: string | RegExp][] = [
    [
      'path: a.csv, assign: hash',
      'assign: a hash needs a column of cells that say which row it is; give group: COLUMN',
    ],
    ['path: a.csv, assign: order, group: id', 'assign: groups are assigned at random or by hash'],
    ['path: a.csv, assign: hash, group: id, stratify: true', 'stratify: a hash does not know the classes'],
    ['path: a.csv, assign: hash, group: id, fractions: { train: 5 }', 'fractions.train: a hash deals by shares'],
    [
      'files: { train: a.csv }, group: id',
      'group: the rows of `files` are not dealt into splits; leave group out, or give folds',
    ],
    ['path: a.csv, folds: 3, fold: 4', 'fold: expected a fold from 1 to 3, got 4'],
    ['path: a.csv, folds: 3, fractions: { all: 1 }', 'folds: the folds divide the split "train", there is none'],
    ['path: a.csv, folds: 3, fractions: { train: 0.8, test: 0.2 }, to: test', 'to: there is a split "test" already'],
  ]
  for (const [options, problem] of cases)
    t.match(await problemsOf(t, `- use: load/csv\n  with: { ${options} }`), problem, options)
  const folds = (missing: string) =>
    problemsOf(
      t,
      `- use: load/csv\n  with: { path: a.csv, fractions: { all: 1 }, missing: ${missing} }\n- use: split/rows\n  with: { split: all, folds: 5 }`,
    )
  t.match(
    await folds('mean'),
    /folds: fill values of missing cells come from all rows of "all", .*; give folds to the load stage instead/,
  )
  t.match(await folds('{ "*": { constant: 0 }, x: median }'), 'folds: fill values')
  t.equal(await folds('{ constant: 0 }'), '', 'a constant comes from no row')
})

t.test('what is wrong with the column of groups', async (t) => {
  const path = join(temporary(t, { 'a.csv': 'x,id,label\n1,a,0\n2,?,1\n' }), 'a.csv')
  const cases: [options: string, message: string | RegExp][] = [
    ['group: id', /a\.csv:3: group: the cell that tells the group of the row is missing$/],
    ['group: ix', /a\.csv: no column "ix" — did you mean "id"\?|no column "ix"/],
    ['group: id, select: [x, id]', /a\.csv: select: the column id is the group$/],
  ]
  for (const [options, expected] of cases) {
    const [code, message] = await failureOf(t, `- use: load/csv\n  with: { path: ${path}, ${options} }`)
    t.equal(code, 'DATA')
    t.match(message, expected)
  }
})
