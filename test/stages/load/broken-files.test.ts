import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Field, Float32, Int32, List, Table, tableToIPC, vectorFromArray } from 'apache-arrow'
import t from 'tap'
import { failureOf, runStage, temporary } from '../harness.js'
import { featuresIn } from '../tables.js'
import { parquetOf, rows, type TableRow, tableFiles } from './table-files.js'

const entry = (format: string, file: string): string =>
  `- use: load/${format}\n  with: { path: "${file}", fractions: { all: 1 }, text: { "*": error }, drop: [colour] }`

/** What each loader says of files that are no good. FILE is the path; a pattern stands for what libraries word. */
const messages: Readonly<Record<string, Readonly<Record<string, string | RegExp>>>> = {
  csv: {
    empty: 'FILE is empty',
    'no rows': 'FILE has no rows',
    truncated: 'FILE:41: expected 3 cells, found 1',
    'wrong type': /^FILE:2: column size: expected a finite number, got "many"; text: \{ size: one-hot \} makes/,
    'wrong width': 'FILE:3: expected 3 cells, found 2',
    mixed: /^FILE:4: column size: expected a finite number, got "many"; text/,
    'damaged gz': /^FILE is not a whole gzip file: /,
    'another format': 'FILE is a Parquet file; write it as CSV',
  },
  jsonl: {
    empty: 'FILE is empty',
    'no rows': 'FILE has no rows',
    truncated: /^FILE:40: not JSON: /,
    'wrong type': /^FILE:1: column size: expected a finite number, got "many"; text/,
    'wrong width': 'FILE:2: the first line does not have the key more; select: [...] says which columns to read',
    mixed: 'FILE:2: expected an object as in the lines before',
    'damaged gz': /^FILE is not a whole gzip file: /,
    'another format': 'FILE is a Parquet file; write it as CSV',
  },
  arff: {
    empty: 'FILE is empty',
    'no rows': 'FILE has no rows',
    truncated: 'FILE:48: expected 3 cells, found 2',
    'wrong type': 'FILE:8: column size: expected a finite number, got "many"',
    'wrong width': 'FILE:9: expected 3 cells, found 2',
    mixed: 'FILE:9: expected a label among cat, dog, got "cow"',
    'damaged gz': /^FILE is not a whole gzip file: /,
    'another format': 'FILE is a Parquet file; write it as CSV',
  },
  arrow: {
    empty: 'FILE is empty',
    'no rows': 'FILE has no rows',
    truncated: 'FILE is not an Arrow file that can be read: the file is cut off',
    'wrong type': /^FILE: row 0: column size: expected a finite number, got "many"; text/,
    'wrong width': 'FILE has no rows',
    mixed: /^FILE: the column size has many values in each row; leave it out with drop/,
    'damaged gz': /^FILE is not a whole gzip file: /,
    'another format': /^FILE is not an Arrow file that can be read: /,
  },
  parquet: {
    empty: 'FILE is empty',
    'no rows': 'FILE has no rows',
    truncated: 'FILE is cut off: the end of a Parquet file is missing',
    'wrong type': /^FILE: row 0: column size: expected a finite number, got "many"; text/,
    'wrong width': 'FILE: no column "colour"; columns: size, label',
    mixed:
      'FILE: row 1: column size: expected a finite number, got ""; missing: drop leaves such rows out, missing: { size: mean } fills the cell',
    'damaged gz': 'FILE is packed by gzip; unpack it',
    'another format': 'FILE is not a Parquet file',
  },
}

const lines = (text: string): Uint8Array => Buffer.from(text)
const arff = (data: string): Uint8Array =>
  lines(
    `@relation a\n@attribute size numeric\n@attribute colour string\n@attribute label {cat,dog}\n\n%\n@data\n${data}`,
  )
const arrowOf = (table: Table): Uint8Array => tableToIPC(table, 'stream')

const text = (name: string, data: string[]) =>
  [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }, data] as const

/** Files that no function of `tableFiles` makes. */
const special: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>> = {
  csv: {
    'wrong type': lines('size,colour,label\nmany,red,cat\n'),
    'wrong width': lines('size,colour,label\n1,red,cat\n2,red\n'),
    mixed: lines('size,colour,label\n1,red,cat\n2,red,dog\nmany,red,cat\n'),
  },
  jsonl: {
    'no rows': lines('\n \n'),
    'wrong type': lines('{"size":"many","colour":"red","label":"cat"}\n'),
    'wrong width': lines('{"size":1,"colour":"red","label":"cat"}\n{"size":1,"more":2,"label":"cat"}\n'),
    mixed: lines('{"size":1,"colour":"red","label":"cat"}\n[1,"red","cat"]\n'),
  },
  arff: {
    'wrong type': arff('many,red,cat\n'),
    'wrong width': arff('1,red,cat\n2,red\n'),
    mixed: arff('1,red,cat\n2,red,cow\n'),
  },
  arrow: {
    'wrong type': arrowOf(
      new Table({ size: vectorFromArray(['many']), colour: vectorFromArray(['red']), label: vectorFromArray(['cat']) }),
    ),
    'wrong width': arrowOf(
      new Table({
        size: vectorFromArray([], new Float32()),
        colour: vectorFromArray([], new Float32()),
        label: vectorFromArray([], new Int32()),
      }),
    ),
    mixed: arrowOf(
      new Table({
        size: vectorFromArray([[1], [2]], new List(new Field('item', new Float32()))),
        colour: vectorFromArray([1, 2], new Float32()),
        label: vectorFromArray([0, 1], new Int32()),
      }),
    ),
  },
  parquet: {
    'wrong type': parquetOf(1, [text('size', ['many']), text('colour', ['red']), text('label', ['cat'])]),
    'wrong width': parquetOf(1, [text('size', ['1']), text('label', ['cat'])]),
    mixed: parquetOf(2, [
      [{ name: 'size', type: 'FLOAT', repetition_type: 'REQUIRED' }, [1, Number.NaN]],
      text('colour', ['red', 'red']),
      text('label', ['cat', 'dog']),
    ]),
  },
}

for (const [format, fileOf] of Object.entries(tableFiles))
  t.test(`load/${format} says what is wrong with a file, and where`, async (t) => {
    const whole = fileOf(rows)
    const contents: Readonly<Record<string, Uint8Array | undefined>> = {
      empty: new Uint8Array(0),
      'no rows': special[format]!['no rows'] ?? fileOf([]),
      truncated: whole.subarray(0, whole.length - (format === 'arrow' || format === 'parquet' ? 40 : 12)),
      ...special[format],
      'damaged gz': gzipSync(whole).subarray(0, -20),
      'another format': format === 'parquet' ? tableFiles.arrow!(rows) : tableFiles.parquet!(rows),
    }
    for (const [name, content] of Object.entries(contents)) {
      const file = join(temporary(t, { data: content! }), 'data')
      const expected = messages[format]![name]!
      const [code, message] = await failureOf(t, entry(format, file))
      t.equal(code, 'DATA', name)
      t.match(message.replaceAll(file, 'FILE'), expected, `${format}: ${name}`)
      if (typeof expected === 'string') t.equal(message.replaceAll(file, 'FILE'), expected, `${format}: ${name}`)
    }
    const folder = temporary(t)
    mkdirSync(join(folder, 'data'))
    t.match(await failureOf(t, entry(format, join(folder, 'data'))), [
      'DATA',
      /cannot read .*data: .*(directory|folder)/i,
    ])
    t.match(await failureOf(t, entry(format, join(folder, 'none'))), ['DATA', /cannot read .*none: no such file/])
    if (process.getuid?.() !== 0) {
      const file = join(temporary(t, { data: whole }), 'data')
      chmodSync(file, 0)
      t.match(await failureOf(t, entry(format, file)), ['DATA', /cannot read .*: permission denied/])
    }
    const one: TableRow[] = [[1.5, 'red', 'cat']]
    const file = join(temporary(t, { data: fileOf(one) }), 'data')
    t.strictSame(featuresIn((await runStage(t, entry(format, file))).tables[0]!), [[1.5]], 'one row')
  })
