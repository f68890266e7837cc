import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { lastValueFrom } from 'rxjs'
import t, { type Test } from 'tap'
import { runMemory } from '../../../dist/pipeline/stage/memory.js'
import {
  examplesTable,
  fieldsOf,
  kernelRows,
  openRowFile,
  pickedSource,
  RowFileWriter,
  splitOf,
  splitTables,
  unreadOf,
  unreadTable,
} from '../../../dist/pipeline/stage-kit.js'
import { examples, type PlainRows } from '../../../dist/pipeline/wires/plain-rows.js'
import { errorOf, openFilesIn, openStage, runStage, temporary } from '../harness.js'

const entry = (options: string) => `- id: split\n  use: split/rows\n  with: { ${options} }`

const ROWS = 700

/** Rows of which the classes come in blocks, and some groups are large. */
function given(more: Partial<PlainRows> = {}, count = ROWS): Table {
  const index = Array.from({ length: count }, (_, i) => i)
  return examples({
    values: index.map((i) => [i % 251, i % 10, (i * i) % 97]),
    labels: index.map((i) => (i < 0.6 * count ? 0 : i % 5 === 0 ? 2 : 1)),
    classes: ['a', 'b', 'c'],
    type: 'float32',
    ...more,
  })
}

/** Some of these rows. */
function part(table: Table, from: number, to: number): Table {
  const { values, labels } = kernelRows(table)
  return examplesTable(fieldsOf(table), values.slice(3 * from, 3 * to), labels.slice(from, to), splitOf(table))
}

/** The same rows in a file, whose blocks have 100 rows. */
async function inFile(t: Test, table: Table): Promise<Table> {
  const path = join(temporary(t), 'rows.arrow')
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const writer = new RowFileWriter(path, table, 100)
  await writer.add(table, { flow: { yieldToEventLoop: () => undefined }, signal: abort.signal } as never)
  const file = writer.finish()
  // As after an error in another file of the same cache; the descriptor may be that of another file by now.
  writer.close()
  const source = openRowFile(path, file, abort.signal)
  return unreadTable(fieldsOf(table), source, splitOf(table), () => t.fail('all rows are read at once'))
}

/** The bytes of all rows of each split, window by window if they are in a file. */
async function rowsIn(tables: readonly Table[]): Promise<Record<string, string>> {
  const found: Record<string, number[]> = {}
  for (const table of tables) {
    const source = unreadOf(table)?.source
    const parts = source ? [] : [kernelRows(table)]
    for (let from = 0; source && from < source.rows; from += 64)
      parts.push(await source.read(from, Math.min(source.rows, from + 64)))
    const own = found[splitOf(table)] ?? []
    found[splitOf(table)] = own
    for (const { values, labels, row, weight } of parts)
      for (const [i, label] of labels.entries())
        own.push(...values.subarray(3 * i, 3 * i + 3), label, row![i]!, weight?.[i] ?? -1)
  }
  return Object.fromEntries(Object.entries(found).map(([name, numbers]) => [name, String(numbers)]))
}

const ways = [
  'fractions: { train: 0.7, test: 0.2 }',
  'fractions: { train: rest, test: 90 }, stratify: true',
  'fractions: { train: rest, test: 90 }, assign: order',
  'fractions: { train: rest, test: 0.3 }, assign: order, stratify: true',
  'fractions: { train: rest, test: 0.2 }, assign: hash',
  'fractions: { train: rest, test: 0.2 }, assign: hash, group: [1, 2]',
  'fractions: { train: rest, test: 0.2 }, group: all, stratify: true',
  'folds: 3, fold: 2',
  'folds: 3, fold: 2, stratify: true, group: [2]',
]

/** Less than the rows take, more than what must be known of each. */
const memory = 28_000

t.test('rows in a file are divided as those in memory are, and are read in windows', async (t) => {
  const weights = Array.from({ length: ROWS }, (_, i) => i / 4)
  const numbers = Array.from({ length: ROWS }, (_, i) => (i * 3 + 5) % ROWS)
  const kinds: Partial<PlainRows>[] = [{}, { type: 'uint8', weights }, { rows: numbers, weights }]
  for (const [k, kind] of kinds.entries()) {
    const table = given(kind)
    const stored = await inFile(t, table)
    for (const way of ways) {
      const whole = await rowsIn((await runStage(t, entry(way), { examples: [table] })).tables)
      const { tables, notes } = await runStage(t, entry(way), { examples: [stored] }, { memory })
      t.strictSame(await rowsIn(tables), whole, `${way}, kind ${k}`)
      if (kind.type === 'uint8') continue
      t.ok(
        tables.some((table) => unreadOf(table)),
        'not all of it is read',
      )
      t.match(notes, [/^read in windows of at most/])
    }
  }
})

t.test('rows that come and go in pieces lie in a file meanwhile', async (t) => {
  const others = [given({ split: 'other' }, 50), given({ split: 'last' }, 30)]
  const whole = given()
  const pieces = [0, 1, 2, 3].map((i) => part(whole, i * 200, Math.min(ROWS, (i + 1) * 200)))
  const numbered = (tables: readonly Table[]) => tables.filter((table) => !['other', 'last'].includes(splitOf(table)))
  for (const way of ways) {
    const before = await runStage(t, entry(way), { examples: [others[0]!, whole, others[1]!] })
    const directory = join(temporary(t), 'run')
    const given = { examples: [others[0]!, ...pieces, others[1]!] }
    const { tables } = await runStage(t, entry(way), given, { asked: { pieces: true }, memory, directory })
    t.strictSame(await rowsIn(numbered(tables)), await rowsIn(numbered(before.tables)), way)
    t.strictSame([...new Set(tables.map(splitOf))], before.tables.map(splitOf), 'the splits come in their order')
    t.strictSame(tables[0], others[0], 'others pass')
    t.strictSame([readdirSync(directory), openFilesIn(directory) ?? []], [[], []], 'nothing is left')
  }
  const late = { examples: [pieces[0]!, others[0]!, pieces[1]!] }
  t.match(await errorOf(runStage(t, entry(ways[0]!), late, { asked: { pieces: true } })), [
    'DATA',
    'rows of the split "train" came behind those of another split',
  ])
})

t.test('what picked rows have beside their features is read few rows at a time', async (t) => {
  const table = given({ weights: Array.from({ length: ROWS }, (_, i) => i / 4) })
  const stored = unreadOf(await inFile(t, table))!.source
  let most = 0
  const pick = (rows: Uint32Array) => {
    most = Math.max(most, rows.length)
    return stored.pick(rows)
  }
  const order = Uint32Array.from({ length: ROWS }, (_, i) => ROWS - 1 - i)
  const picked = pickedSource({ ...stored, rowBytes: 1 << 16, pick }, order, [], true)
  const marks = await picked.marks(10, 600)
  t.equal(most, 16)
  const { labels, weight } = kernelRows(table)
  const own = order.subarray(10, 600)
  t.strictSame(
    [...marks.labels],
    [...own].map((row) => labels[row]),
  )
  t.strictSame(
    [...marks.weight!],
    [...own].map((row) => weight![row]),
  )
  t.strictSame([...marks.row!], [...own])
})

t.test('a row that is larger than the memory of the run is refused', async (t) => {
  const table = await inFile(t, given())
  const split = { name: 'train', fields: fieldsOf(table), source: unreadOf(table)!.source }
  t.match(await errorOf(splitTables([split], { memory: runMemory(10) } as never)), [
    'DATA',
    /a row of train has 3 features and needs 16 B, memory: 10 B does not hold it; leave features out, or raise memory/,
  ])
})

t.test('what is known of each row needs memory, too', async (t) => {
  const stored = await inFile(t, given())
  t.match(await errorOf(runStage(t, entry(ways[0]!), { examples: [stored] }, { memory: 8000 })), [
    'DATA',
    /the splits of 700 rows need 8.4 KB, memory: 8 KB has 8 KB left; raise memory \(--memory\)/,
  ])
  t.match(await errorOf(runStage(t, entry('folds: 2, group: [7]'), { examples: [stored] }, { memory })), [
    'DATA',
    'group: expected an index from 0 to 2, got 7',
  ])
  const directory = join(temporary(t), 'run')
  const failing = openStage(
    t,
    entry('folds: 2, group: [7]'),
    { examples: [given()] },
    { asked: { pieces: true }, directory },
  )
  await t.rejects(lastValueFrom(failing.tables))
  t.strictSame(openFilesIn(directory) ?? [], [], 'the file is closed')
})
