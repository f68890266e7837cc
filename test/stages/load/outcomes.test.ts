import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { errorOf, failureOf, problemsOf, runStage, temporary } from '../harness.js'
import { type Format, filesWith, formats, optionsWith } from './faulty-files.js'

/*
 * The tables of docs/formats.md say what becomes of a file of each format with each fault. This test reads the tables and
 * holds the stages to them: each fault of the first table, for each format.
 */

type Outcomes = Readonly<Record<string, string>>

/** The tables of the page: what stands in the second column, by the first one, by the heading above. */
function tablesOf(page: string): ReadonlyMap<string, Outcomes> {
  const tables = new Map<string, Record<string, string>>()
  let heading = ''
  for (const line of page.split('\n')) {
    heading = /^##+ (.+?)(?: \(`load\/\w+`\))?$/.exec(line)?.[1] ?? heading
    const [, fault, outcome] = /^\| ([^|]+?) \| (.+) \|$/.exec(line) ?? []
    if (fault === undefined || fault === '---' || fault === 'the file') continue
    const plain = outcome!.replaceAll('\\|', '|').replace(/^(`+) ?(.*?) ?\1$/, '$2')
    tables.set(heading, { ...tables.get(heading), [fault]: plain })
  }
  return tables
}

const { Everywhere: everywhere, ...others } = Object.fromEntries(tablesOf(readFileSync('docs/formats.md', 'utf8')))

/** `…` stands for anything. */
function matches(outcome: string, expected: string): boolean {
  const parts = expected.split('…').map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(outcome)
}

/** The faults that the page must have. */
const asked = [
  'empty',
  'one row',
  'cut off',
  'another type',
  'another width',
  'mixed',
  'another format',
  'damaged gzip',
]

/** Faults of the place of a file, which it must have as well. */
const ofPlace = ['unreadable', 'a directory', 'not there']

const areRows = /^\d+ rows? (?:is|are) read$/

async function outcomeOf(t: Test, format: Format, fault: string, expected: string): Promise<string> {
  const directory = temporary(t)
  const path = join(directory, format.file)
  const files = filesWith(format, ofPlace.includes(fault) ? 'none' : fault)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  if (fault === 'not there') rmSync(path)
  if (fault === 'unreadable') chmodSync(path, 0)
  if (fault === 'a directory') {
    rmSync(path)
    mkdirSync(path)
  }
  const options = optionsWith(format, fault).replaceAll('FILE', path).replaceAll('DIR', directory)
  const entry = `- use: load/${format.stage}\n  with: { ${options} }`
  const told = (message: string): string =>
    message
      .replaceAll(path, 'FILE')
      .replaceAll(`${directory}/`, '')
      .replaceAll(directory, 'DIR')
      .replaceAll(/\n\s*/g, ' ')
  if (areRows.test(expected)) {
    let count = 0
    const [, message] = await errorOf(
      runStage(t, entry).then(({ tables }) => {
        count = tables.reduce((sum, table) => sum + table.numRows, 0)
      }),
    )
    return message === 'no error' ? `${count} ${count === 1 ? 'row is' : 'rows are'} read` : told(message)
  }
  // A model that cannot be read is known before the run.
  const problems = format.stage === 'parameters' ? await problemsOf(t, entry) : ''
  if (problems) return told(problems.replace(/^.*load\/parameters: path: /, ''))
  const [code, message] = await failureOf(t, entry)
  t.equal(code, 'DATA')
  return told(message)
}

/** Root may read all files, so it is somebody else while such a file is read. */
async function asNobody<T>(act: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return act()
  process.seteuid!(65_534)
  try {
    return await act()
  } finally {
    process.seteuid!(0)
  }
}

t.strictSame(Object.keys(others), Object.keys(formats), 'the page has a table for each format')

for (const [name, format] of Object.entries(formats))
  t.test(`${name}: each fault has the outcome that docs/formats.md tells`, async (t) => {
    const outcomes = { ...everywhere, ...others[name] }
    t.strictSame(
      [...asked, ...ofPlace].filter((fault) => !(fault in outcomes)),
      [],
      'the page has all faults',
    )
    for (const [fault, expected] of Object.entries(outcomes)) {
      if (fault === 'unreadable' && process.platform === 'win32') continue
      const act = (): Promise<string> => outcomeOf(t, format, fault, expected)
      const found = await (fault === 'unreadable' ? asNobody(act) : act())
      t.ok(matches(found, expected), `${name}, ${fault}`, { found, expected })
    }
  })
