import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'

const entry = (options: string, files: string): string =>
  `- use: load/csv\n  id: data\n  with: { ${files}, ${options} }`

/** Loads the split `train`, and `test` if there is a second text. */
async function load(t: Test, options: string, train: string, test?: string) {
  const folder = temporary(t, { 'a.csv': train, ...(test !== undefined && { 'b.csv': test }) })
  const files = `files: { train: ${folder}/a.csv${test === undefined ? '' : `, test: ${folder}/b.csv`} }`
  return runStage(t, entry(options, files))
}

t.test('cells become features as the options say', async (t) => {
  const cases: [name: string, options: string, text: string, names: string[] | undefined, features: number[][]][] = [
    [
      'one feature of each text',
      'text: one-hot',
      'c,x,l\nred,1,0\nblue,2,1\nred,3,0\n',
      ['c=blue', 'c=red', 'x'],
      [
        [0, 1, 1],
        [1, 0, 2],
        [0, 1, 3],
      ],
    ],
    [
      'numbered texts',
      'text: ordinal',
      'c,x,l\nred,1,0\nblue,2,1\n',
      ['c', 'x'],
      [
        [1, 1],
        [0, 2],
      ],
    ],
    ['columns of texts left out', 'text: drop', 'c,x,l\nred,1,0\nblue,2,1\n', ['x'], [[1], [2]]],
    [
      'a late text',
      'text: one-hot',
      'c,l\n1,0\n2,1\n01,0\nx,1\n',
      ['c=01', 'c=1', 'c=2', 'c=x'],
      [
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
      ],
    ],
    ['numbers only', 'text: one-hot', 'c,l\n1.0,0\n01,1\n2,1\n', ['c'], [[1], [1], [2]]],
    [
      'numbers that are categories',
      'types: { c: category }',
      'c,l\n10,0\n9,1\n',
      ['c=9', 'c=10'],
      [
        [0, 1],
        [1, 0],
      ],
    ],
    [
      'a rule for each column',
      'text: { c: ordinal, "*": drop }',
      'c,d,x,l\na,p,1,0\nb,q,2,1\n',
      ['c', 'x'],
      [
        [0, 1],
        [1, 2],
      ],
    ],
    ['the mean', 'missing: mean', 'x,l\n1,0\n,1\n5,1\n', ['x'], [[1], [3], [5]]],
    [
      'the median of an even number',
      'missing: median',
      'x,l\n-4,0\n?,1\n1,1\n3,0\n100,0\n',
      ['x'],
      [[-4], [2], [1], [3], [100]],
    ],
    [
      'the median of negative numbers',
      'missing: median',
      'x,l\n-4,0\nNA,1\n-1,1\n-3,0\n',
      ['x'],
      [[-4], [-3], [-1], [-3]],
    ],
    ['the mode', 'missing: mode', 'x,l\n2,0\n,1\n2,1\n1,0\n', ['x'], [[2], [2], [2], [1]]],
    ['a constant', 'missing: { constant: -1 }', 'x,l\n2,0\n,1\n', ['x'], [[2], [-1]]],
    ['rows left out', 'missing: drop', 'x,l\n2,0\n,1\n3,1\n4,\n', ['x'], [[2], [3]]],
    [
      'texts have no mean',
      'missing: mean, text: one-hot',
      'c,l\na,0\n?,1\nb,1\nb,0\n',
      ['c=a', 'c=b'],
      [
        [1, 0],
        [0, 1],
        [0, 1],
        [0, 1],
      ],
    ],
    [
      'other texts that mean nothing',
      'missing: { constant: 0 }, missingTexts: ["-", ""]',
      'x,l\n2,0\n-,1\n',
      ['x'],
      [[2], [0]],
    ],
    [
      'selected columns, in their order',
      'select: [y, 0]',
      'x,y,z,l\n1,2,3,0\n4,5,6,1\n',
      ['y', 'x'],
      [
        [2, 1],
        [5, 4],
      ],
    ],
    [
      'without a header',
      'header: false, text: one-hot',
      'a,1,0\nb,2,1\n',
      ['0=a', '0=b', '1'],
      [
        [1, 0, 1],
        [0, 1, 2],
      ],
    ],
    ['lines before the header', 'skip: 2', '# by\n# us\nx,l\n1,0\n2,1\n', ['x'], [[1], [2]]],
    [
      'the header of scikit-learn',
      'skip: 1, header: false',
      '2,2,no,yes\n1,2,0\n3,4,1\n',
      undefined,
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['a decimal comma', 'delimiter: ";", decimal: ","', 'x;l\n1,5;0\n-2,25e1;1\n3;1\n', ['x'], [[1.5], [-22.5], [3]]],
    [
      'blanks and quotes',
      'text: one-hot',
      'c, x, l\n"a, b", 1, 0\n a, 2, 1\n',
      ['c=a', 'c=a, b', 'x'],
      [
        [0, 1, 1],
        [1, 0, 2],
      ],
    ],
  ] // prettier-ignore
  for (const [name, options, text, names, features] of cases) {
    const { tables } = await load(t, options, text)
    t.strictSame([layoutOf(tables[0]!).names, featuresIn(tables[0]!)], [names, features], name)
  }
})

t.test('categories and fill values are those of the training split', async (t) => {
  const options = 'text: one-hot, missing: mean, unseen: ignore'
  const { tables, notes } = await load(t, options, 'c,x,l\na,1,0\nb,3,1\nb,,1\n', 'c,x,l\nz,100,0\n?,?,1\n')
  t.strictSame(featuresIn(tables[1]!), [
    [0, 0, 100],
    [0, 1, 2],
  ]) // prettier-ignore
  t.strictSame(layoutOf(tables[1]!).columns, [
    { kind: 'category', name: 'c', encode: 'one-hot', categories: ['a', 'b'], unseen: 'ignore', fill: 'b' },
    { kind: 'number', name: 'x', fill: 2 },
  ])
  t.equal(layoutOf(tables[0]!).label, 'l')
  t.match(notes.join('\n'), /missing cells are filled, with values from the split train: c \(1\), x \(2\)/)
})

t.test('bytes, weights and row numbers', async (t) => {
  const text = 'x,w,l\n7,0.5,0\n?,1,1\n255,2,1\n'
  const { tables } = await load(t, 'type: uint8, weight: w, missing: drop', text)
  const { values, weight, row } = kernelRows(tables[0]!)
  t.strictSame([values, [...weight!], [...row!]], [Uint8Array.of(7, 255), [0.5, 2], [0, 2]])
  t.equal(layoutOf(tables[0]!).weighted, true)
})

t.test('what cannot be is told with its place and what helps', async (t) => {
  const cases: [options: string, text: string, message: RegExp][] = [
    [
      'text: one-hot, maxCategories: 2',
      'c,l\na,0\nb,1\nc,1\n',
      /^FILE:4: column c: more than 2 different texts; leave the column out with drop, or raise maxCategories$/,
    ],
    [
      'text: one-hot, maxCategories: 2',
      'c,l\n1,0\n2,1\n3,1\nx,0\n',
      /^FILE:5: column c: expected a finite number, got "x"; it has too many different numbers for a column of texts; missingTexts lists/,
    ],
    ['types: { c: number }, text: one-hot', 'c,l\na,0\n', /^FILE:2: column c: expected a finite number, got "a"$/],
    ['types: { q: number }', 'c,l\n1,0\n', /^FILE: types: no feature column q; columns: c$/],
    [
      'missing: mean',
      'x,l\n?,0\n?,1\n',
      /^FILE: column x: no row of the split train has a value, so there is no mean; leave the column out with drop$/,
    ],
    [
      'missing: { constant: many }',
      'x,l\n1,0\n?,1\n',
      /^FILE: column x: it has numbers, and cannot be filled with "many"$/,
    ],
    ['missing: drop', 'x,l\n?,0\n?,1\n', /^FILE has no rows without missing cells$/],
    [
      'text: drop',
      'x,l\na,0\nb,1\n',
      /^FILE: all feature columns have texts and are left out; text: one-hot makes features of them$/,
    ],
    [
      'type: uint8',
      'x,l\n1,0\n256,1\n',
      /^FILE:3: column x: expected a whole number from 0 to 255 \(type: uint8\), got "256"$/,
    ],
    ['weight: w', 'x,w,l\n1,-1,0\n', /^FILE:2: expected a weight of 0 or more that float32 can hold, got "-1"$/],
    ['select: [x, l]', 'x,l\n1,0\n', /^FILE: select: the column l is the label$/],
    ['decimal: ",", delimiter: ";"', 'x;l\n1.5;0\n', /^FILE:2: column x: expected a finite number, got "1.5"/],
    [
      '',
      '569,2,malignant,benign\n1,2,0\n',
      /^FILE:2: expected 4 cells, found 3; the first line has the numbers of rows and columns and the classes, .* header: false and skip: 1 leave it out$/,
    ],
  ] // prettier-ignore
  for (const [options, text, message] of cases) {
    const file = join(temporary(t, { 'a.csv': text }), 'a.csv')
    const [code, found] = await failureOf(t, entry(options, `files: { train: ${file} }`))
    t.equal(code, 'DATA')
    t.match(found.replace(file, 'FILE'), message)
  }
  const folder = temporary(t, { 'a.csv': 'c,l\na,0\nb,1\n', 'b.csv': 'c,l\na,0\nz,1\n' })
  t.match(await failureOf(t, entry('text: one-hot', `files: { train: ${folder}/a.csv, test: ${folder}/b.csv }`)), [
    'DATA',
    `${folder}/b.csv:3: column c: no row of the split train has "z"; unseen: ignore gives such rows no category`,
  ])
  const part = (fractions: string): string =>
    entry('text: one-hot', `path: ${folder}/b.csv, assign: order, fractions: ${fractions}`)
  t.match(await failureOf(t, part('{ train: 0.5, test: 0.5 }')), [
    'DATA',
    /b\.csv:3: column c: no row of the split train/,
  ])
  const { tables } = await runStage(t, part('{ train: 0.5 }'))
  t.equal(tables[0]!.numRows, 1, 'what rows in no split have is no matter')
})

t.test('options that do not go together are told before data is read', async (t) => {
  const cases: [options: string, problem: RegExp][] = [
    ['drop: [a], select: [b]', /drop: expected one of "select" and "drop"/],
    ['decimal: ","', /delimiter: expected another character than that of decimal: ","/],
    ['type: uint8, missing: { constant: 0.5 }', /missing: expected constants that are whole numbers from 0 to 255/],
    ['missing: maybe', /missing: /],
    ['model: m.arrow, fractions: { a: 1 }', /fractions: expected no fractions beside "model"/],
  ]
  for (const [options, problem] of cases) t.match(await problemsOf(t, entry(options, 'path: a.csv')), problem)
})

t.test('rows for a trained model are read as it takes them', async (t) => {
  const folder = temporary(t, {
    'train.csv': `colour,size,kind\n${'red,1,cat\nblue,2,dog\nblue,,dog\nred,4,cat\n'.repeat(4)}`,
    'new.csv': 'size,note,colour\n,first,red\n8,second,?\n3,third,green\n',
    'labelled.csv': 'kind,size,colour\ndog,1,red\n?,2,blue\n',
    'narrow.csv': 'size\n1\n',
    'wrong.csv': 'kind,size,colour\ncow,1,red\n',
    'p.yaml': `
stages:
  - use: load/csv
    with: { files: { train: "\${here}/train.csv" }, text: one-hot, missing: { size: mean, colour: mode }, unseen: ignore }
  - id: examples
    use: normalize/standardize
    with: { fit: train }
  - use: batch/rows
    with: { split: train, size: 4, epochs: 1 }
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.1 }
  - use: sink/parameters
    from: model
`,
  })
  await run(await Pipeline.load(join(folder, 'p.yaml')), { out: join(folder, 'run'), kernel: 'reference' })
  const read = (file: string, model = 'run') => entry(`model: ${folder}/${model}`, `path: ${folder}/${file}`)
  const { tables, notes } = await runStage(t, read('new.csv'))
  const [table] = tables
  t.strictSame(
    [splitOf(table!), layoutOf(table!).names, layoutOf(table!).classes],
    ['data', ['colour=blue', 'colour=red', 'size'], ['cat', 'dog']],
  )
  const mean = Math.fround(7 / 3)
  t.strictSame(featuresIn(table!), [
    [0, 1, mean],
    [1, 0, 8],
    [0, 0, 3],
  ]) // prettier-ignore
  t.strictSame(
    [labelsIn(table!), [...kernelRows(table!).row!]],
    [
      [-1, -1, -1],
      [0, 1, 2],
    ],
  )
  t.match(notes.join(), /new\.csv: left out, because the model does not take it: note/)
  t.equal(
    notes.at(-1),
    '1 cell has a text that the training did not have (colour: 1): no category, because the model was trained with unseen: ignore',
  )
  const labelled = await runStage(t, read('labelled.csv', 'run/parameters.arrow'))
  t.strictSame([labelsIn(labelled.tables[0]!), labelled.notes], [[1, -1], []])
  t.strictSame(await failureOf(t, read('narrow.csv')), [
    'DATA',
    `${folder}/narrow.csv: the model takes the column colour, which the file does not have; its columns: size`,
  ])
  t.strictSame(await failureOf(t, read('wrong.csv')), [
    'DATA',
    `${folder}/wrong.csv:2: expected a label among cat, dog, got "cow"`,
  ])
})

t.test('examples that were recorded come back with their labels, classes and splits', async (t) => {
  const folder = temporary(t, {
    'a.csv': Array.from({ length: 20 }, (_, i) => `${i / 4},${i * i},${'abc'[i % 3]}`).join('\n'),
    'p.yaml': `
stages:
  - use: load/csv
    with: { path: "\${here}/a.csv", header: false, shape: [1, 2], fractions: { train: 0.8, test: 0.2 } }
  - use: sink/arrow
    with: { path: examples.arrows }
`,
  })
  await run(await Pipeline.load(join(folder, 'p.yaml')), { out: join(folder, 'run'), kernel: 'reference' })
  const { tables } = await runStage(t, `- use: load/arrow\n  with: { path: ${folder}/run/examples.arrows }`)
  const stage = `- use: load/csv\n  id: csv\n  with: { path: ${folder}/a.csv, header: false, shape: [1, 2], fractions: { train: 0.8, test: 0.2 } }`
  const { tables: first } = await runStage(t, stage)
  const shown = (each: typeof tables) =>
    each.map((table) => [splitOf(table), layoutOf(table).shape, layoutOf(table).classes, table.numRows])
  t.strictSame(shown(tables), shown(first))
  t.strictSame(
    tables.map((table) => featuresIn(table).length),
    [16, 4],
  )
  const pairs = (each: typeof tables) =>
    each.flatMap((table) => featuresIn(table).map((row, i) => [...row, labelsIn(table)[i]].join())).sort()
  t.strictSame(pairs(tables), pairs(first))
})
