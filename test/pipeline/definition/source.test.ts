import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseSource, readSource } from '../../../dist/pipeline/definition/source.js'
import { entriesOf, formatOrigin, isList, locate, plain, type Value } from '../../../dist/pipeline/definition/value.js'

const read = (text: string): Value => parseSource(text, `${process.cwd()}/p.yaml`)

t.test('parseSource reads scalars as YAML 1.2 does', async (t) => {
  for (const [text, data] of [
    ['1', 1],
    ['1e-3', 0.001],
    ['0x10', 16],
    ['.inf', Number.POSITIVE_INFINITY],
    ['true', true],
    ['yes', 'yes'],
    ['1_000', '1_000'],
    ['~', null],
    ['', null],
    ['"1"', '1'],
    ['2026-11-23', '2026-11-23'],
    ['|\n  two\n  lines\n', 'two\nlines\n'],
  ] as const)
    t.strictSame(plain(read(`a: ${text}`)), { a: data }, text)
})

t.test('a definition that is not UTF-8 is refused, at the first byte that is not', async (t) => {
  const file = join(t.testdir(), 'p.yaml')
  for (const [bytes, where] of [
    [Buffer.from('name: x\r\nvars: { a: caf\u00e9 }\n', 'latin1'), '2:15'],
    [Buffer.from('\ufeffname: x\n', 'utf16le'), '1:1'],
    [Buffer.from('name: \u00e4\n').subarray(0, 7), '1:7'],
  ] as const) {
    writeFileSync(file, bytes)
    t.throws(() => readSource(file), {
      message: new RegExp(`p\\.yaml:${where} {2}expected UTF-8 text, found other bytes; save the file as UTF-8$`),
    })
  }
})

t.test('every value and every key has its line and column', async (t) => {
  const value = read('name: x\nstages:\n  - use: load/csv\n    with: { a: 1, b: [2, "three"] }\n')
  for (const [path, where] of [
    [[], '1:1'],
    [['name'], '1:7'],
    [['stages'], '3:3'],
    [['stages', 0], '3:5'],
    [['stages', 0, 'use'], '3:10'],
    [['stages', 0, 'with', 'a'], '4:16'],
    [['stages', 0, 'with', 'b', 1], '4:26'],
    [['stages', 0, 'with', 'b', 7], '4:22'],
  ] as const)
    t.equal(formatOrigin(locate(value, path).origin), `p.yaml:${where}`, path.join('.'))
  t.equal(formatOrigin(entriesOf(locate(value, ['stages', 0])).get('with')!.key), 'p.yaml:4:5')
})

t.test('positions count characters, with any line ending, and no byte order mark', async (t) => {
  for (const text of ['# é☃\na:\n  b: 1', '# é☃\r\na:\r\n  b: 1'])
    t.equal(formatOrigin(locate(read(text), ['a', 'b']).origin), 'p.yaml:3:6')
  t.strictSame(plain(read('\ufeffa: 1')), { a: 1 })
})

t.test('an alias has the value and the position of its anchor', async (t) => {
  const value = read('a: &x { n: 1 }\nb: *x\nc: [*x, *x]\n')
  t.strictSame(plain(value), { a: { n: 1 }, b: { n: 1 }, c: [{ n: 1 }, { n: 1 }] })
  t.equal(formatOrigin(locate(value, ['c', 1, 'n']).origin), 'p.yaml:1:12')
})

t.test('an alias refers to the nearest anchor above', async (t) => {
  t.strictSame(plain(read('a: &x 1\nb: *x\nc: &x 2\nd: *x\n')), { a: 1, b: 1, c: 2, d: 2 })
})

t.test('merge keys add missing entries, and earlier mappings win', async (t) => {
  const value = read('x: &x { a: 1, b: 1 }\ny: &y { b: 2, c: 2 }\nz:\n  <<: [*x, *y]\n  a: 3\n')
  t.strictSame(plain(locate(value, ['z'])), { a: 3, b: 1, c: 2 })
})

t.test('only mappings can be merged', async (t) => {
  for (const value of ['3', '[{ a: 1 }, 3]', ''])
    t.throws(
      () => read(`a: 1\n<<: ${value}`),
      { message: /^p\.yaml:2:\d+ {2}expected a mapping to merge, got / },
      value,
    )
})

t.test('keys are text, even if they look like numbers or booleans', async (t) => {
  const value = read('1: a\ntrue: b\n')
  t.strictSame([...entriesOf(value).keys()], ['1', 'true'])
})

t.test('a file at the limit of 64 levels is read', async (t) => {
  const value = read(`a: ${'['.repeat(62)}1${']'.repeat(62)}`)
  let depth = 0
  for (let at = entriesOf(value).get('a')!.value; isList(at); at = at.data[0]!) depth++
  t.equal(depth, 62)
})

t.test('using an alias does not move the anchors inside its value', async (t) => {
  t.strictSame(plain(read('a: &x [&y 1]\nb: &y 2\nc: *x\nd: *y\n')), { a: [1], b: 2, c: [1], d: 2 })
})

t.test('sixty thousand aliases and keys are read in a moment: nothing is compared with everything', async (t) => {
  const count = 60_000
  const aliases = read(`a: &x 1\nb: [${Array(count).fill('*x').join()}]\n`)
  t.equal((plain(aliases) as { b: number[] }).b.length, count)
  const keys = read(Array.from({ length: count }, (_, i) => `k${i}: 1\n`).join(''))
  t.equal(entriesOf(keys).size, count)
})
