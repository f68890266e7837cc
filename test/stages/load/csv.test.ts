import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { lastValueFrom, take, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { kernelRows, layoutOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { failureOf, openStage, problemsOf, runStage, temporary } from '../harness.js'
import { featuresIn, labelsIn } from '../tables.js'

type Files = Readonly<Record<string, string | Uint8Array>>

/** Loads `a.csv` as one split, in the order of the file, with further options. */
async function load(t: Test, files: Files, options = '', inputs = 'files: { all: DIR/a.csv }') {
  const directory = temporary(t, files)
  const { tables } = await runStage(t, entry(inputs.replaceAll('DIR', directory), options))
  return tables
}

const entry = (inputs: string, options = '') =>
  `- use: load/csv\n  with: { ${[inputs, options].filter(Boolean).join(', ')} }`

t.test('load/csv reads numbers as float32 features and a column as the label', async (t) => {
  const cases: [name: string, text: string, options: string, features: number[][], labels: number[]][] = [
    [
      'the last column is the label',
      'x,y,class\n1,2.5,0\n-3,1e-2,1\n',
      '',
      [
        [1, 2.5],
        [-3, Math.fround(0.01)],
      ],
      [0, 1],
    ],
    [
      'a named column',
      'class,x,y\n0,1,2\n1,3,4\n',
      'label: class',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    [
      'an index',
      'x,class,y\n1,0,2\n3,1,4\n',
      'label: 1',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    [
      'an index from the end',
      'x,class,y\n1,0,2\n3,1,4\n',
      'label: -2',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    [
      'no header',
      '1,2,0\n3,4,1\n',
      'header: false',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    ['dropped columns', 'id,x,class\n7,1,0\n8,2,1\n', 'drop: [id]', [[1], [2]], [0, 1]],
    [
      'another delimiter',
      'x;y;class\n1;2;0\n3;4;1\n',
      'delimiter: ";"',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    [
      'tabs',
      'x\ty\tclass\n1\t2\t0\n3\t4\t1\n',
      'delimiter: "\\t"',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    [
      'quoted cells',
      '"x","y, too","class"\n"1","2","0"\n3,4,"1"\n',
      'label: class',
      [
        [1, 2],
        [3, 4],
      ],
      [0, 1],
    ],
    ['CRLF', 'x,class\r\n1,0\r\n2,1\r\n', '', [[1], [2]], [0, 1]],
    ['a byte order mark', '\ufeffx,class\n1,0\n2,1\n', 'label: class', [[1], [2]], [0, 1]],
    ['a byte order mark before a quoted cell', '\ufeff"class","x"\n0,1\n1,2\n', 'label: class', [[1], [2]], [0, 1]],
    ['a byte order mark before the label', '\ufeffclass,x\n0,1\n1,2\n', 'label: class', [[1], [2]], [0, 1]],
    ['blank lines', '\nx,class\n\n1,0\n   \n2,1\n\n\n', '', [[1], [2]], [0, 1]],
    ['spaces around cells', ' x , class \n 1 , 0 \n 2 , 1 \n', 'label: class', [[1], [2]], [0, 1]],
    ['no newline at the end', 'x,class\n1,0\n2,1', '', [[1], [2]], [0, 1]],
  ]
  for (const [name, text, options, features, labels] of cases) {
    const [table] = await load(t, { 'a.csv': text }, options)
    t.ok(kernelRows(table!).values instanceof Float32Array)
    t.strictSame([featuresIn(table!), labelsIn(table!)], [features, labels], name)
  }
})

t.test('labels that are integers from 0 are class indices, others are class names, sorted', async (t) => {
  const cases: [labels: string[], options: string, classes: string[], indices: number[]][] = [
    [['0', '2', '1'], '', ['0', '1', '2'], [0, 2, 1]],
    [['1', '2', '1'], '', ['0', '1', '2'], [1, 2, 1]],
    [['00', '02', '1'], '', ['0', '1', '2'], [0, 2, 1]],
    [['b', 'a', 'b'], '', ['a', 'b'], [1, 0, 1]],
    [['-1', '1', '-1'], '', ['-1', '1'], [0, 1, 0]],
    [['10', '9', 'x'], '', ['10', '9', 'x'], [0, 1, 2]],
    [['b', 'a', 'b'], 'classes: [b, a, c]', ['b', 'a', 'c'], [0, 1, 0]],
    [['yes', 'no', 'yes'], 'classes: ["yes", "no"]', ['yes', 'no'], [0, 1, 0]],
  ]
  for (const [labels, options, classes, indices] of cases) {
    const [table] = await load(t, { 'a.csv': `x,class\n${labels.map((label) => `1,${label}\n`).join('')}` }, options)
    t.strictSame([layoutOf(table!).classes, labelsIn(table!)], [classes, indices], labels.join(' '))
  }
})

t.test('load/csv makes one split of each of `files`, with the classes of them all', async (t) => {
  const files = { 'a.csv': 'x,class\n1,b\n2,c\n', 'b.csv': 'x,class\n3,a\n' }
  const tables = await load(t, files, '', 'files: { train: DIR/a.csv, test: DIR/b.csv }')
  t.strictSame(tables.map(splitOf), ['train', 'test'])
  t.strictSame(tables.map(labelsIn), [[1, 2], [0]])
  t.strictSame(layoutOf(tables[1]!).classes, ['a', 'b', 'c'])
})

t.test('load/csv deals the rows of `path` into fractions, each row with its own label', async (t) => {
  const text = Array.from({ length: 20 }, (_, i) => `${i},${i % 4}`).join('\n')
  const tables = await load(
    t,
    { 'a.csv': text },
    'header: false, fractions: { train: 0.75, test: 0.25 }',
    'path: DIR/a.csv',
  )
  t.strictSame(
    tables.map((table) => [splitOf(table), table.numRows]),
    [
      ['train', 15],
      ['test', 5],
    ],
  )
  const rows = tables.flatMap((table) => featuresIn(table).map(([x], i) => [x!, labelsIn(table)[i]!]))
  t.strictSame(
    rows.sort(([a], [b]) => a! - b!),
    Array.from({ length: 20 }, (_, i) => [i, i % 4]),
  )
})

t.test('load/csv unpacks .csv.gz and gives the examples the shape it is told', async (t) => {
  const directory = temporary(t, { 'a.csv.gz': gzipSync('1,2,3,4,0\n5,6,7,8,1\n') })
  const { tables } = await runStage(
    t,
    entry(`files: { all: ${directory}/a.csv.gz }`, 'header: false, shape: [1, 2, 2]'),
  )
  t.strictSame(layoutOf(tables[0]!).shape, [1, 2, 2])
  t.strictSame(featuresIn(tables[0]!), [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ])
})

t.test('load/csv refuses bad data and names file, line and column', async (t) => {
  const cases: [text: string | Uint8Array | undefined, options: string, message: string][] = [
    [undefined, '', 'cannot read FILE: no such file or directory'],
    ['', '', 'FILE is empty'],
    ['\n\n', '', 'FILE has no rows'],
    ['x,class\n', '', 'FILE has no rows'],
    ['x,y,class\n1,2,0\n1,0\n', '', 'FILE:3: expected 3 cells, found 2'],
    ['x,y,class\n1,2,0\n\n1,2,0,5\n', '', 'FILE:4: expected 3 cells, found 4'],
    ['x,y,class\r\n1,2,0\r\n1,0\r\n', '', 'FILE:3: expected 3 cells, found 2'],
    ['x,y,class\n1,2,0\n1,two,0\n', '', 'FILE:3: column y: expected a finite number, got "two"'],
    ['1,2,0\n1,two,0\n', 'header: false', 'FILE:2: column 1: expected a finite number, got "two"'],
    ['x,y,class\n1,NaN,0\n', '', 'FILE:2: column y: expected a finite number, got "NaN"'],
    ['x,y,class\n1,-Infinity,0\n', '', 'FILE:2: column y: expected a finite number, got "-Infinity"'],
    ['x,y,class\n1,1e300,0\n', '', 'FILE:2: column y: expected a number that float32 can hold, got "1e300"'],
    ['x,y,class\n1,,0\n', '', 'FILE:2: column y: expected a finite number, got ""'],
    ['x,y,class\n1, ,0\n', '', 'FILE:2: column y: expected a finite number, got ""'],
    ['x,y,class\n1,2,\n', '', 'FILE:2: expected a label, got an empty cell'],
    ['x,y,class\n1,2,\n', 'classes: ["0", "1"]', 'FILE:2: expected a label, got an empty cell'],
    ['x,y,class\n1,2,0\n', 'header: false', 'FILE:1: column 0: expected a finite number, got "x"'],
    ['x,class\n1,0\n', 'label: klass', 'FILE: no column "klass"; columns: x, class'],
    [
      '1,0\n',
      'header: false, label: class',
      'FILE: columns have no names without a header, got "class"; give an index',
    ],
    ['x,class\n1,0\n', 'label: 2', 'FILE: no column 2: the file has 2 columns'],
    ['x,class\n1,0\n', 'label: -3', 'FILE: no column -3: the file has 2 columns'],
    ['x,class\n1,0\n', 'drop: [y]', 'FILE: no column "y"; columns: x, class'],
    ['x,x,class\n1,2,0\n', 'label: x', 'FILE: more than one column is named "x"'],
    ['x,x,class\n1,2,0\n', 'drop: [x]', 'FILE: more than one column is named "x"'],
    ['x;class\n1;0\n', '', 'FILE: no feature columns beside the label; is "," the delimiter?'],
    ['class\n0\n', '', 'FILE: no feature columns beside the label; is "," the delimiter?'],
    ['x,class\n1,bee\n', 'classes: [ant, cat]', 'FILE:2: expected a label among ant, cat, got "bee"'],
    ['x,y,class\n1,2,0\n', 'shape: [1, 2, 2]', 'FILE: expected 1×2×2 features, found 2'],
    [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13), '', 'FILE is not a text file'],
    [gzipSync('x,class\n1,0\n'), '', 'FILE is not a text file'],
    ['x,class\n"1,0\n', '', 'FILE: Quote Not Closed: the parsing is finished with an opening quote at line 2'],
  ]
  for (const [text, options, message] of cases) {
    const directory = temporary(t, text === undefined ? {} : { 'a.csv': text })
    const file = join(directory, 'a.csv')
    t.strictSame(await failureOf(t, entry(`files: { all: ${file} }`, options)), ['DATA', message.replace('FILE', file)])
  }
})

t.test('load/csv refuses files that do not go together', async (t) => {
  const cases: [files: Files, options: string, message: string][] = [
    [{ 'a.csv': 'x,class\n1,0\n', 'b.csv': 'x,y,class\n1,2,0\n' }, '', 'DIR/b.csv has 2 features, DIR/a.csv has 1'],
    [
      { 'a.csv': 'x,y,class\n1,2,0\n', 'b.csv': 'y,x,class\n1,2,0\n' },
      '',
      'DIR/b.csv has the column "y" where DIR/a.csv has "x"',
    ],
    [
      { 'a.csv': 'x,class\n1,ant\n', 'b.csv': 'x,class\n1,ant\n2,bee\n' },
      'classes: [ant, cat]',
      'DIR/b.csv:3: expected a label among ant, cat, got "bee"',
    ],
  ]
  for (const [files, options, message] of cases) {
    const directory = temporary(t, files)
    const inputs = `files: { train: ${directory}/a.csv, test: ${directory}/b.csv }`
    t.strictSame(await failureOf(t, entry(inputs, options)), ['DATA', message.replaceAll('DIR', directory)])
  }
})

t.test('load/csv stops where nobody listens any more', async (t) => {
  const directory = temporary(t, { 'a.csv': 'x,class\n1,0\n2,1\n' })
  const { tables } = openStage(t, entry(`path: ${directory}/a.csv`))
  t.equal((await lastValueFrom(tables.pipe(take(1), toArray()))).length, 1)
})

t.test('load/csv rejects wrong options before any data is read', async (t) => {
  const cases: [options: string, problem: string][] = [
    ['header: true', 'pipeline.yaml:3:11  stages[0] load/csv: expected one of "path" and "files"'],
    [
      'path: a.csv, files: { train: b.csv }',
      'pipeline.yaml:3:11  stages[0] load/csv: expected one of "path" and "files"',
    ],
    [
      'path: a.csv, delimiter: ", "',
      'pipeline.yaml:3:37  stages[0] load/csv: delimiter: expected a single character, got ", "',
    ],
    [
      'path: a.csv, label: 1.5',
      'pipeline.yaml:3:33  stages[0] load/csv: label: expected a non-empty string or an integer, got 1.5',
    ],
    [
      'path: a.csv, classes: [one]',
      'pipeline.yaml:3:35  stages[0] load/csv: classes: expected a list of at least 2 non-empty strings, got ["one"]',
    ],
    [
      'path: a.csv, classes: [a, a]',
      'pipeline.yaml:3:35  stages[0] load/csv: classes: expected names that differ, got ["a","a"]',
    ],
    [
      'path: a.csv, shape: [8, 0]',
      'pipeline.yaml:3:37  stages[0] load/csv: shape[1]: expected a positive integer, got 0',
    ],
    [
      'path: a.csv, seperator: ";"',
      'pipeline.yaml:3:26  stages[0] load/csv: unknown option "seperator"; options: path, fractions, files, header, delimiter, label, drop, classes, shape',
    ],
    [
      'path: a.csv, fractions: { train: 0.9, test: 0.2 }',
      'pipeline.yaml:3:37  stages[0] load/csv: fractions: expected one fraction or more, at most 1 in all, got {"train":0.9,"test":0.2}',
    ],
    ['files: {}', 'pipeline.yaml:3:20  stages[0] load/csv: files: expected at least one split, got {}'],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, entry(options)), problem)
})
