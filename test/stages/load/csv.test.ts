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
    ['CR', 'x,class\r1,0\r2,1\r', '', [[1], [2]], [0, 1]],
    ['mixed line endings', 'x,class\r\n1,0\n2,1\r3,0\r\n\r\n4,1', '', [[1], [2], [3], [4]], [0, 1, 0, 1]],
    ['blanks inside quotes', '" x ","class "\n" 1"," 0 "\n2,1\n', 'label: class', [[1], [2]], [0, 1]],
    ['a column dropped by index', 'id,x,class\n7,1,0\n8,2,1\n', 'drop: [0]', [[1], [2]], [0, 1]],
    ['an index from the end', 'x,id,class\n1,7,0\n2,8,1\n', 'drop: [-2]', [[1], [2]], [0, 1]],
    ['an unnamed column', ',x,class\n7,1,0\n8,2,1\n', 'drop: [""]', [[1], [2]], [0, 1]],
    ['without a header', '7,1,0\n8,2,1\n', 'header: false, drop: [0]', [[1], [2]], [0, 1]],
    ['an index as a text', '7,1,0\n8,2,1\n', 'header: false, drop: ["0"], label: "-1"', [[1], [2]], [0, 1]],
  ]
  for (const [name, text, options, features, labels] of cases) {
    const [table] = await load(t, { 'a.csv': text }, options)
    t.ok(kernelRows(table!).values instanceof Float32Array)
    t.strictSame([featuresIn(table!), labelsIn(table!)], [features, labels], name)
  }
})

t.test('the classes are the labels that occur: whole numbers by value, others by their text', async (t) => {
  const cases: [labels: string[], options: string, classes: string[], indices: number[]][] = [
    [['0', '2', '1'], '', ['0', '1', '2'], [0, 2, 1]],
    [['1', '2', '1'], '', ['1', '2'], [0, 1, 0]],
    [['2021', '1999', '10000'], '', ['1999', '2021', '10000'], [1, 0, 2]],
    [['00', '02', '1'], '', ['00', '02', '1'], [0, 1, 2]],
    [['1.0', '1', '2.00'], '', ['1', '2'], [0, 0, 1]],
    [['-0', '0.0', '-3'], '', ['-3', '0'], [1, 1, 0]],
    [['1.5', '1e3', '+1'], '', ['+1', '1.5', '1e3'], [1, 2, 0]],
    [
      ['12345678901234567891', '12345678901234567890', '3'],
      '',
      ['3', '12345678901234567890', '12345678901234567891'],
      [2, 1, 0],
    ],
    [['" a "', 'a', '"b'.concat('"')], '', ['a', 'b'], [0, 0, 1]],
    [['ä', 'z', 'Z'], '', ['Z', 'z', 'ä'], [2, 1, 0]],
    [['1.0', '2', '1'], 'classes: ["2", "1"]', ['2', '1'], [1, 0, 1]],
    [['Cat', 'cat.', 'dog'], '', ['Cat', 'cat.', 'dog'], [0, 1, 2]],
    [['Cat', 'cat.', 'dog'], 'merge: [case, stops]', ['cat', 'dog'], [0, 0, 1]],
    [['Cat', 'CAT', 'cat.'], 'merge: [case]', ['cat', 'cat.'], [0, 0, 1]],
    [['a.', 'a', 'B..'], 'merge: [stops]', ['B', 'a'], [1, 1, 0]],
    [['Cat', 'DOG.', 'dog'], 'merge: [case, stops], classes: [Dog, Cat]', ['Dog', 'Cat'], [1, 0, 0]],
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

const classNames = ['Größe', 'naïve', '\u20ac', '–', 'ÿ']

t.test('load/csv reads other encodings, with the classes as they are written', async (t) => {
  const text = `x,class\r\n${classNames.map((name, i) => `${i},${name}\r\n`).join('')}`
  const utf16 = Buffer.from(text, 'utf16le')
  const marked = Buffer.concat([Buffer.of(0xff, 0xfe), utf16])
  const windows = Buffer.from(text.replace('\u20ac', '\x80').replace('–', '\x96'), 'latin1')
  const cases: [name: string, bytes: Uint8Array, options: string][] = [
    ['UTF-8', Buffer.from(text), ''],
    ['UTF-8, given', Buffer.from(text), 'encoding: UTF-8'],
    ['UTF-8 with a mark', Buffer.from(`\ufeff${text}`), ''],
    ['UTF-16 by its mark', marked, ''],
    ['UTF-16 by its mark, the other order', Buffer.from(marked).swap16(), ''],
    ['UTF-16', utf16, 'encoding: utf-16le'],
    ['UTF-16, the other order', Buffer.from(utf16).swap16(), 'encoding: utf-16be'],
    ['windows-1252', windows, 'encoding: windows-1252'],
    ['latin1, which means windows-1252', windows, 'encoding: latin1'],
    ['gzip, whatever the name', gzipSync(marked), ''],
  ]
  for (const [name, bytes, options] of cases) {
    const [table] = await load(t, { 'a.csv': bytes }, options)
    t.strictSame(new Set(layoutOf(table!).classes), new Set(classNames), name)
    t.strictSame(
      labelsIn(table!).map((label) => layoutOf(table!).classes[label]),
      classNames,
      name,
    )
  }
  const cyrillic = Buffer.concat([Buffer.from('x,class\n1,'), Buffer.of(0xcf, 0xd0), Buffer.from('\n2,b\n')])
  t.strictSame(layoutOf((await load(t, { 'a.csv': cyrillic }, 'encoding: windows-1251'))[0]!).classes, ['b', 'ПР'])
})

t.test('load/csv reads the same in whatever pieces the file comes', async (t) => {
  // Characters of two to four bytes and line endings of two lie on every border between pieces.
  const line = (i: number): string => `${i % 97},"Käse 🐱 ${i % 5}, €"\r\n`
  for (const shift of ['', 'a', 'ab', 'abc']) {
    const text = `x,class${shift}\r\n${Array.from({ length: 9000 }, (_, i) => line(i)).join('')}`
    const [table] = await load(t, { 'a.csv': text })
    t.equal(table!.numRows, 9000)
    t.strictSame(
      layoutOf(table!).classes,
      [0, 1, 2, 3, 4].map((i) => `Käse 🐱 ${i}, €`),
    )
    t.ok(labelsIn(table!).every((label, i) => label === i % 5))
    t.ok(featuresIn(table!).every(([x], i) => x === i % 97))
  }
})

t.test('load/csv notes what is probably not what it seems', async (t) => {
  const rows = (count: number, cells: (i: number) => string): string =>
    Array.from({ length: count }, (_, i) => `${cells(i)}\n`).join('')
  const cases: [name: string, text: string | Uint8Array, options: string, notes: RegExp[]][] = [
    ['nothing', `x,class\n${rows(40, (i) => `${Math.sin(i)},${i % 2}`)}`, '', []],
    [
      'a first row taken for names',
      rows(9, (i) => `${i * i},${i * 1.5},${'ab'[i % 2]}`),
      '',
      [
        /^FILE: the first line names the columns, but it looks like data \(0, 0, a\); if it is a row, set header: false$/,
      ],
    ],
    [
      'the first line of scikit-learn, as wide as the rows',
      `9,4,a,b,c\n${rows(9, (i) => `${i * i},2,1,${i * 1.5},${i % 3}`)}`,
      '',
      [/^FILE: the first line has the numbers of rows and columns and the classes, .* skip: 1 leave it out$/],
    ],
    [
      'that line left out',
      `9,3,no,yes\n${rows(9, (i) => `${i * i},2,${i * 1.5},${i % 2}`)}`,
      'header: false, skip: 1',
      [],
    ],
    [
      'a row left out',
      rows(9, (i) => `${i * i},${i * 1.5},${'ab'[i % 2]}`),
      'header: false, skip: 2',
      [
        /^FILE:2 looks like a row, but skip: 2 leaves it out; skip: 0 reads it \(for predict and evaluate: --set skip=0\)$/,
      ],
    ],
    ['names that count the columns', `0,1,2,class\n${rows(9, (i) => `${i * i},2,${i * 1.5},${i % 2}`)}`, '', []],
    ['a name beside the label', `x,2019,class\n${rows(9, (i) => `${i * i},2,${i % 2}`)}`, '', []],
    [
      'a column that counts the rows',
      `,x,class\n${rows(9, (i) => `${i},${i * i},${i % 2}`)}`,
      '',
      [
        /^FILE: the column 0 numbers the rows \(each whole number from 0 to 8 once\); .* leave the column out with drop$/,
      ],
    ],
    [
      'columns that count the rows, shuffled and from elsewhere',
      `id,x,rank,class\n${rows(11, (i) => `${2000 + ((i * 7) % 11)},${i * i},${11 - i},${i % 2}`)}`,
      '',
      [/^FILE: the columns id, rank number the rows \(each whole number from 2000 to 2010 once\)/],
    ],
    ['one that counts them dropped', `id,x,class\n${rows(9, (i) => `${i},${i * i},${i % 2}`)}`, 'drop: [id]', []],
    ['numbers twice', `x,class\n${rows(12, (i) => `${i === 5 ? 6 : i},${i % 2}`)}`, '', []],
    [
      'digits that float32 loses',
      `time,class\n${rows(20, (i) => `${1700000000 + 3 * i * i},${i % 2}`)}`,
      '',
      [
        /^FILE: features are time − 1700000000, in float64, because float32 would lose digits: 1700000\d+ would become 1700000\d+; the model/,
      ],
    ],
    [
      'digits lost beside an outlier',
      `time,class\n${rows(200, (i) => `${i === 0 ? 0 : 1700000000 + i * 2},${i % 2}`)}`,
      '',
      [/^FILE: the column time loses digits/],
    ],
    ['times of a year', `time,class\n${rows(99, (i) => `${1.7e9 + ((i * i * 1234567) % 3.1e7)},${i % 2}`)}`, '', []],
    ['tenths', `x,class\n${rows(99, (i) => `${(i * i) / 10},${i % 2}`)}`, '', []],
    ['a constant', `x,y,class\n${rows(99, (i) => `0.1,${i * i},${i % 2}`)}`, '', []],
    [
      'labels that differ by case',
      `x,class\n${rows(9, (i) => `${i * i},${['No', 'NO', 'yes'][i % 3]}`)}`,
      '',
      [
        /^labels that differ only by case or by full stops at their end: "NO" and "No"; merge: \[case\] makes them one class$/,
      ],
    ],
    [
      'labels that differ by stops',
      `x,class\n${rows(9, (i) => `${i * i},${['a', 'a.', 'b', 'b..'][i % 4]}`)}`,
      '',
      [/: "a" and "a\.", "b" and "b\.\."; merge: \[stops\] makes them one class$/],
    ],
    ['merged labels', `x,class\n${rows(9, (i) => `${i * i},${['a', 'A.', 'b'][i % 3]}`)}`, 'merge: [case, stops]', []],
    [
      'UTF-16',
      Buffer.concat([Buffer.of(0xff, 0xfe), Buffer.from('x,class\n1,a\n3,b\n', 'utf16le')]),
      '',
      [/^FILE is read as UTF-16LE, as its byte order mark says$/],
    ],
  ]
  for (const [name, text, options, expected] of cases) {
    const file = join(temporary(t, { 'a.csv': text }), 'a.csv')
    const { notes } = await runStage(t, entry(`files: { all: ${file} }`, options))
    t.match(
      notes.map((note) => note.replace(file, 'FILE')),
      expected,
      name,
    )
    t.equal(notes.length, expected.length, `${name}: ${notes.length} notes`)
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
    [
      'x,y,class\n1,2,0\n1,two,0\n',
      '',
      'FILE:3: column y: expected a finite number, got "two"; text: { y: one-hot } makes a feature of each text, drop leaves the column out',
    ],
    [
      '1,2,0\n1,two,0\n',
      'header: false',
      'FILE:2: column 1: expected a finite number, got "two"; text: { 1: one-hot } makes a feature of each text, drop leaves the column out',
    ],
    [
      'x,y,class\n1,NaN,0\n',
      '',
      'FILE:2: column y: expected a finite number, got "NaN"; missing: drop leaves such rows out, missing: { y: mean } fills the cell',
    ],
    ['x,y,class\n1,-Infinity,0\n', '', 'FILE:2: column y: expected a finite number, got "-Infinity"'],
    ['x,y,class\n1,1e300,0\n', '', 'FILE:2: column y: expected a number that float32 can hold, got "1e300"'],
    [
      'x,y,class\n1,,0\n',
      '',
      'FILE:2: column y: expected a finite number, got ""; missing: drop leaves such rows out, missing: { y: mean } fills the cell',
    ],
    [
      'x,y,class\n1, ,0\n',
      '',
      'FILE:2: column y: expected a finite number, got ""; missing: drop leaves such rows out, missing: { y: mean } fills the cell',
    ],
    ['x,y,class\n1,2,\n', '', 'FILE:2: expected a label, got an empty cell'],
    ['x,y,class\n1,2,\n', 'classes: ["0", "1"]', 'FILE:2: expected a label, got an empty cell'],
    [
      'x,y,class\n1,2,0\n',
      'header: false',
      'FILE:1: column 0: expected a finite number, got "x"; text: { 0: one-hot } makes a feature of each text, drop leaves the column out',
    ],
    ['x,class\n1,0\n', 'label: klass', 'FILE: no column "klass"; did you mean "class"?'],
    [
      '1,0\n',
      'header: false, label: class',
      'FILE: columns have no names without a header, got "class"; give an index',
    ],
    ['x,class\n1,0\n', 'label: 2', 'FILE: no column 2: the file has 2 columns'],
    ['x,class\n1,0\n', 'label: -3', 'FILE: no column -3: the file has 2 columns'],
    ['x,class\n1,0\n', 'drop: [y]', 'FILE: no column "y"; did you mean "x"?'],
    ['x,x,class\n1,2,0\n', 'label: x', 'FILE: more than one column is named "x"; give an index from 0 to 2'],
    ['x,x,class\n1,2,0\n', 'drop: [x]', 'FILE: more than one column is named "x"; give an index from 0 to 2'],
    ['x,Class\n1,0\n', 'label: class', 'FILE: no column "class"; did you mean "Class"?'],
    ['x,class\n1,0\n', 'drop: [2]', 'FILE: no column 2: the file has 2 columns'],
    [
      `${Array.from({ length: 3000 }, (_, i) => `pixel${i}`)}\n${'1,'.repeat(2999)}0\n`,
      'label: target',
      'FILE: no column "target"; columns: pixel0, pixel1, pixel2, pixel3, pixel4 … (3000 in all)',
    ],
    ['x;class\n1;0\n', '', 'FILE: no feature columns beside the label; is "," the delimiter?'],
    ['class\n0\n', '', 'FILE: no feature columns beside the label; is "," the delimiter?'],
    ['x,class\n1,bee\n', 'classes: [ant, cat]', 'FILE:2: expected a label among ant, cat, got "bee"'],
    ['x,y,class\n1,2,0\n', 'shape: [1, 2, 2]', 'FILE: expected 1×2×2 features, found 2'],
    [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13), '', 'FILE is not a text file'],
    [gzipSync(gzipSync('x,class\n1,0\n')), '', 'FILE is a gzip file inside a gzip file; unpack it'],
    ['PK\u0003\u0004 and more', '', 'FILE is a ZIP file or an Excel workbook; unpack it, or save it as CSV'],
    ['x,class\n1,a\n2,\0b\n', '', 'FILE is not a text file'],
    [`x,class\n${'1,a\n'.repeat(3000)}2,\0b\n`, '', 'FILE:3002: a zero byte; is it a text file?'],
    ['x,class\n"1,0\n', '', 'FILE:2: the quote that opens here is not closed'],
    ['x,class\n1,"a\nb"\n1,"c\n2,d\n3,e\n', '', 'FILE:4: the quote that opens here is not closed'],
    ['x,class\n1,"a ""b\n2,d\n3,e\n', '', 'FILE:2: the quote that opens here is not closed'],
    [
      'x,class\r\n1,"a\r\n2,"b"\r\n3,c\r\n',
      '',
      'FILE:2: the quote that opens here is closed in line 3 before the end of a cell; double the quotes inside a cell',
    ],
    [
      'x,class\n1,"a\n2," b"\n',
      '',
      'FILE:2: the quote that opens here is closed in line 3 before the end of a cell; double the quotes inside a cell',
    ],
    [
      'x,class\n1,a\n2,b"c"\n',
      '',
      'FILE:3: a quote inside a cell; put the whole cell into quotes, and double the quotes inside it',
    ],
    [
      Buffer.from('x,class\n1,a\n2,caf\u00e9\n', 'latin1'),
      '',
      'FILE:3: not UTF-8: found the byte 0xE9 after 5 bytes of the line; save the file as UTF-8, or give its encoding, for example encoding: windows-1252',
    ],
    [
      Buffer.concat([Buffer.from('x,class\n1,'), Buffer.from('\u{1f431}').subarray(0, 3)]),
      '',
      'FILE:2: not UTF-8: found an incomplete character after 2 bytes of the line; save the file as UTF-8, or give its encoding, for example encoding: windows-1252',
    ],
    [
      Buffer.from('x,class\n1,a\n2,b\n', 'utf16le'),
      '',
      'FILE is UTF-16LE text without a byte order mark; save it as UTF-8, or give encoding: utf-16le',
    ],
    [
      Buffer.from('x,class\n1,a\n2,b\n', 'utf16le').swap16(),
      '',
      'FILE is UTF-16BE text without a byte order mark; save it as UTF-8, or give encoding: utf-16be',
    ],
    [
      Buffer.from([...Buffer.from('x,class\n1,'), 0x41, 0xd2, 10]),
      'encoding: windows-1253',
      'FILE:2: bytes that are no character in windows-1253; is it the encoding of the file?',
    ],
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
      'pipeline.yaml:3:33  stages[0] load/csv: label: expected a string or an integer, got 1.5',
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
      'path: a.csv, classes: ["1", "1.0"]',
      'pipeline.yaml:3:35  stages[0] load/csv: classes: expected names that differ, got ["1","1.0"]',
    ],
    [
      'path: a.csv, merge: [case], classes: [a, A]',
      'pipeline.yaml:3:50  stages[0] load/csv: classes: expected names that differ after `merge`',
    ],
    [
      'path: a.csv, encoding: utf-9',
      'pipeline.yaml:3:36  stages[0] load/csv: encoding: expected the name of an encoding, such as utf-16le, latin1 or windows-1251, got "utf-9"',
    ],
    [
      'path: a.csv, shape: [8, 0]',
      'pipeline.yaml:3:37  stages[0] load/csv: shape[1]: expected a positive integer, got 0',
    ],
    [
      'path: a.csv, seperator: ";"',
      'pipeline.yaml:3:26  stages[0] load/csv: unknown option "seperator"; options: path, fractions, seed, stratify, assign, group, folds, fold, to, files, label, drop, select, types, missing, missingTexts, offsets, text, unseen, maxCategories, classes, merge, shape, type, weight, model, header, skip, delimiter, decimal, …',
    ],
    [
      'path: a.csv, fractions: { train: 0.9, test: 0.2 }',
      'pipeline.yaml:3:37  stages[0] load/csv: fractions: expected one fraction or more, at most 1 in all, got {"train":0.9,"test":0.2}',
    ],
    ['files: {}', 'pipeline.yaml:3:20  stages[0] load/csv: files: expected at least one split, got {}'],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, entry(options)), problem)
})
