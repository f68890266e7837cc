import { deepStrictEqual } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { PipelineError } from '../../dist/index.js'
import { readRecords } from '../../dist/stages/load/csv/records.js'
import { readCsv } from '../../dist/stages/load/csv/rows.js'
import { csv } from '../../dist/stages/load/csv.js'
import { headerRemark } from '../../dist/stages/load/tabular/columns.js'
import { TableRows } from '../../dist/stages/load/tabular/table-rows.js'
import { readText } from '../../dist/stages/load/tabular/text.js'
import { loadContext } from './load-context.js'
import { mutated } from './mutations.js'

/** Reads a file record by record with the exact reader alone. */
async function readExactly(path, format, rows, context) {
  let header
  let isBegun = false
  const onRecord = (cells, line) => {
    const isHeader = format.header && !header
    if (isHeader) header = cells
    if (!isBegun) {
      const hint = `; is ${JSON.stringify(format.delimiter)} the delimiter?`
      rows.begin(path, { names: header, count: cells.length, decimal: format.decimal, hint, label: -1 })
      isBegun = true
    }
    if (!isHeader) rows.add(cells, () => `${path}:${line}`)
  }
  await readRecords(path, readText(path, undefined, context), format.delimiter, onRecord)
  rows.endFile(path, [header && headerRemark(path, header)])
}

/** All that a reader finds in a file, or its error. */
async function found(read, path, format) {
  const notes = []
  const context = { ...loadContext(), note: (text) => notes.push(text) }
  const rows = new TableRows(format, context, undefined)
  try {
    await read(path, format, rows, context)
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    // Only the whole reader knows this hint.
    return { error: error.message.replace(/; the first line has .*$/, '') }
  }
  const stored = rows.rows
  return {
    notes,
    columns: rows.cells.map((cells) => [cells.kind, cells.missing, cells.texts, cells.places, cells.lookup]),
    rows: Array.from({ length: stored.count }, (_, i) => [
      ...stored.row(i),
      stored.label(i),
      stored.number(i),
      stored.weight(i),
    ]),
    classes: rows.labels.classes(context),
  }
}

const numbers = [
  '0',
  '-0',
  '1',
  '12.5',
  '-3.25e-7',
  '1e22',
  '1e23',
  '.5',
  '5.',
  '+7',
  '0.1',
  '123456789012345',
  '1234567890123456789',
  '9007199254740993',
  '0.30000000000000004',
  '1e-320',
  '4.35',
  '0x10',
  '1e+05',
  '1E5',
  ' 2 ',
  '\u00a03',
] // prettier-ignore
const odd = ['1e', 'e1', '-', '.', '+.e', '1_0', '1,5', 'NaN', '', '?', '1e99', 'red']
const line = (i, delimiter) =>
  Array.from({ length: 4 }, (_, j) => numbers[(i * 7 + j * 3) % numbers.length]).join(delimiter)
const tables = [
  ['a,b,c,d,label', ...Array.from({ length: 40 }, (_, i) => `${line(i, ',')},x`)].join('\n'),
  ['a,b,label', ...Array.from({ length: 60 }, (_, i) => `${i / 8},${i * i},${i % 3}`)].join('\n'),
  'a,b,label\n1,2,x\n"3",4,y\n5,6,"x"\n7,8,y\n',
  'a\tb\tlabel\n1\t2\tx\n\n3\t \ty\n \t4\tx\n',
  '"a","b","label"\n1,red,x\n2,"green, ""b""",y\n3,"two\nlines",x\n4,red,y\n',
]
const tokens = [
  ...numbers,
  ...odd,
  ',',
  ';',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '"',
  '""',
  '"a\nb"',
  ' ',
  '\u00a0',
  '\ufeff',
  '\v',
  '\f',
  '\u2028',
  ',,',
  '\n\n',
  ' \n',
  '\t\n',
  '",',
  '"\n',
  'x'.repeat(300),
  '1,2,x\n'.repeat(30),
] // prettier-ignore

const options = fc.record(
  {
    header: fc.boolean(),
    delimiter: fc.constantFrom(',', ',', ',', ',', ',', ';', '\t'),
    decimal: fc.constantFrom('.', '.', '.', '.', '.', ','),
    label: fc.constantFrom(-1, -1, -1, -1, -1, 0),
    missing: fc.constantFrom('drop', 'drop', 'mean', 'error'),
    text: fc.constantFrom('one-hot', 'one-hot', 'drop', 'error'),
    maxCategories: fc.constantFrom(2, 1000),
    weight: fc.constantFrom(undefined, undefined, undefined, 1),
    type: fc.constantFrom('float32', 'float32', 'uint8'),
  },
  { requiredKeys: ['missing', 'text'] },
)

/** A table with up to three tokens at any place. */
const withTokens = fc
  .tuple(fc.constantFrom(...tables), fc.array(fc.tuple(fc.noBias(fc.nat(5000)), fc.nat()), { maxLength: 3 }))
  .map(([table, places]) =>
    places.reduce((text, [at, token]) => {
      const from = at % (text.length + 1)
      return text.slice(0, from) + tokens[token % tokens.length] + text.slice(from)
    }, table),
  )

async function check({ bytes, options }, folder) {
  const path = join(folder, 'two.csv')
  writeFileSync(path, bytes)
  const format = csv.options.parse({ path, ...options })
  const [fast, exact] = [await found(readCsv, path, format), await found(readExactly, path, format)]
  deepStrictEqual(fast, exact)
  return 'error' in exact ? 'DATA' : 'sound'
}

/** Whether the two ways to read CSV, by plain lines and by records, find the same in every file. */
export const csvReaders = {
  name: 'CSV, read in two ways',
  weight: 8,
  inputs: fc.record({
    bytes: fc.oneof({ weight: 3, arbitrary: withTokens }, { weight: 1, arbitrary: mutated(tables, tokens) }),
    options,
  }),
  check,
}
