import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Test, test } from 'tap'
import { parse } from 'yaml'
import { lookAtTable } from '../../dist/cli/create/table-file.js'
import { tableOptions } from '../../dist/cli/create/table-options.js'
import { type CreateFlags, createCommand } from '../../dist/cli/create.js'
import { Pipeline, run } from '../../dist/index.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { errorOf, temporary } from '../stages/harness.js'
import { printed } from './printed.js'

interface Created {
  readonly pipeline: string
  readonly problems: readonly string[]
  readonly stages: readonly { readonly use: string; readonly id: string }[]
}

async function created(names: string | undefined, flags: CreateFlags = {}): Promise<Created> {
  return JSON.parse(await printed((output) => createCommand(names, { ...flags, json: true }, output)))
}

const stages = [...(await builtInStages()).keys()]

test('each stage becomes a sound pipeline, and so do its defaults when they are written down', async (t) => {
  for (const use of stages) {
    const { pipeline, problems } = await created(use)
    t.strictSame(problems, [], use)
    const [short, long] = [pipeline, pipeline.replaceAll(/^( *)#(?! )(.*: .*)$/gm, '$1$2')].map((text) => parse(text))
    const [a, b] = await Promise.all([Pipeline.define(short), Pipeline.define(long)])
    t.strictSame(
      b.graph.nodes.map(({ options }) => options),
      a.graph.nodes.map(({ options }) => options),
      `${use}: the defaults are those of the stages`,
    )
  }
})

test('stages are joined, and those that are missing are added', async (t) => {
  for (const [names, expected] of [
    [
      'load/digits,normalize/standardize,gradient-step/softmax,sink/csv',
      'load/digits normalize/standardize batch/rows gradient-step/softmax=model evaluate/classification=metrics sink/csv',
    ],
    ['sink/csv', 'load/digits batch/rows gradient-step/softmax=model evaluate/classification=metrics sink/csv'],
    [
      'load/digits,batch/rows,shuffle/rows,gradient-step/hinge',
      'load/digits batch/rows shuffle/rows=shuffle-rows gradient-step/hinge=model',
    ],
    [
      'load/digits,sink/arrow,sink/arrow,sink/arrow',
      'load/digits sink/arrow sink/arrow=sink-arrow sink/arrow=sink-arrow-2',
    ],
  ]) {
    const { stages } = await created(names)
    const shown = stages.map(({ use, id }) => (use.endsWith(`/${id}`) ? use : `${use}=${id}`))
    t.equal(shown.join(' '), expected, names)
  }
})

test('a made pipeline runs, also from a file, with the schema of an editor', async (t) => {
  const folder = temporary(t)
  const out = join(folder, 'new/p.yaml')
  mkdirSync(join(folder, 'new'))
  const text = await printed((output) =>
    createCommand('load/digits,normalize/standardize,gradient-step/softmax,sink/csv', { out }, output),
  )
  t.match(text, /p\.yaml: 6 stages\nmillrace run .*p\.yaml runs it\n/)
  const pipeline = (await Pipeline.load(out)).set('rows', { epochs: 1 })
  t.equal((await run(pipeline, { out: join(folder, 'run'), kernel: 'reference' })).history.length, 1)
  t.match(await errorOf(created('sink/csv', { out })), ['ARGUMENTS', /p\.yaml exists already; --force replaces it/])
  t.equal((await created('sink/csv', { out, force: true })).stages.length, 5)
  t.match(readFileSync(out, 'utf8'), /^name: p$/m)
})

const rows = (cells: (i: number) => readonly (string | number)[], separator: string, count = 60) =>
  `${Array.from({ length: count }, (_, i) => cells(i).join(separator)).join('\n')}\n`
const kind = (i: number) => ['a', 'b', 'c'][i % 3]!

/** Tables, and what is found in them: options of `load/csv` as it is, or as it could be. */
const tables: Record<string, [content: string | Buffer, options: Record<string, unknown>]> = {
  'numbers and a label': [`x,y,kind\n${rows((i) => [i, 60.5 - i, kind(i)], ',')}`, { label: 'kind' }],
  'a rare class': [
    `x,kind\n${rows((i) => [i, i % 20 === 0 ? 'rare' : kind(i)], ',')}`,
    { label: 'kind', stratify: true },
  ],
  'without names': [rows((i) => [i, 60.5 - i, i % 3], ','), { label: 2, header: false }],
  'the label in front': [`Class;x\n${rows((i) => [kind(i), i / 2], ';')}`, { label: 'Class', delimiter: ';' }],
  'tabs and decimal commas': [
    `x\ty\tkind\n${rows((i) => [`${i},5`, i, kind(i)], '\t')}`,
    { label: 'kind', delimiter: '\t', decimal: ',' },
  ],
  'numbers of rows': [
    `id|x|kind\n${rows((i) => [i + 1, i % 7, kind(i)], '|')}`,
    { label: 'kind', delimiter: '|', drop: ['id'] },
  ],
  'texts and holes': [
    `x,color,note,kind\n${rows((i) => [i % 9 ? i / 2 : '', i % 7 ? kind(i + (i % 2)) : '?', `note ${i}`, kind(i)], ',')}`,
    {
      ...{ label: 'kind', drop: ['note'], text: { color: 'one-hot' }, unseen: 'ignore' },
      missing: { x: 'median', color: 'mode' },
    },
  ],
  'a label with holes': [`x,kind\n${rows((i) => [i, i % 10 ? kind(i) : ''], ',')}`, { label: 'kind' }],
  'quotes with delimiters': [`x,"a, b",kind\n${rows((i) => [i, '"1"', `"${kind(i)}, x"`], ',')}`, { label: 'kind' }],
  'UTF-16': [
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(`x,kind\n${rows((i) => [i, kind(i)], ',')}`, 'utf16le')]),
    { label: 'kind' },
  ],
  'an old encoding': [
    Buffer.from(`größe,kind\n${rows((i) => [i, kind(i)], ',')}`, 'latin1'),
    { label: 'kind', encoding: 'windows-1252' },
  ],
  'the first line of scikit-learn': [
    `60,3,no,yes\n${rows((i) => [i, 60.5 - i, i / 4, i % 2], ',')}`,
    { header: false, skip: 1, label: 3 },
  ],
  'the first line of scikit-learn, as wide as the rows': [
    `60,4,a,b,c\n${rows((i) => [i, 60.5 - i, i / 4, i / 8, i % 3], ',')}`,
    { header: false, skip: 1, label: 4 },
  ],
  'two rows below the first line of scikit-learn': ['2,2,no,yes\n1,2,0\n3,4,1\n', { header: false, skip: 1, label: 2 }],
  'lines before the header': [
    `Measured by us\n\n"a, b"\nx,y,kind\n${rows((i) => [i, 60.5 - i, kind(i)], ',')}`,
    { label: 'kind', skip: 3 },
  ],
  packed: [gzipSync(`x,kind\n${rows((i) => [i, kind(i)], ',')}`), { label: 'kind' }],
  'packed and cut off': [
    gzipSync(`x,kind\n${rows((i) => [(i * 7919) % 1009, kind(i)], ',', 9000)}`).subarray(0, 9000),
    { label: 'kind' },
  ],
}

test('a look at a file finds what is in it', async (t) => {
  const folder = temporary(t)
  for (const [name, [content, options]] of Object.entries(tables)) {
    const file = join(folder, 'data.csv')
    writeFileSync(file, content)
    const table = await lookAtTable(file, new Set(['', '?']))
    t.strictSame(tableOptions('data.csv', table, () => true).options, { path: 'data.csv', ...options }, name)
  }
})

test('a pipeline for a file runs on it', async (t) => {
  const folder = temporary(t)
  const known = Object.keys((await builtInStages()).get('load/csv')!.options.shape)
  const of = async (content: string | Buffer) => {
    const from = join(folder, 'data.csv')
    const out = join(folder, 'p.yaml')
    writeFileSync(from, content)
    await printed((output) => createCommand(undefined, { from, out, force: true }, output))
    const pipeline = (await Pipeline.load(out)).set('rows', { epochs: 1 }).remove('curves').remove('terminal')
    const { record } = await run(pipeline, { out: join(folder, 'run'), force: true, kernel: 'reference' })
    return record.status
  }
  for (const [name, [content, options]] of Object.entries(tables)) {
    const needs = Object.keys(options).filter((option) => !known.includes(option))
    if (needs.length > 0 || name.includes('cut off') || name.includes('label with holes')) continue
    t.equal(await of(content), 'done', name)
  }
  t.equal(await of('a,b,label\n1,2,x\n3,4,y\n'), 'done', 'two rows')
  t.ok(existsSync(join(folder, 'run/metrics.csv')))
})

test('what was found in a file is told', async (t) => {
  const folder = temporary(t, { 'a.csv': `60,2,no,yes\n${rows((i) => [i, 60.5 - i, i % 2], ',')}` })
  const out = join(folder, 'p.yaml')
  const text = await printed((output) => createCommand(undefined, { from: join(folder, 'a.csv'), out }, output))
  t.match(
    text,
    /p\.yaml: 11 stages for a\.csv: 60 rows of 3 columns, label 2 \(2 values\)\nNot in the table: the first line \("60,2,no,yes"\)\.\n/,
  )
  t.match(readFileSync(out, 'utf8'), /^# A pipeline for a\.csv: 60 rows of 3 columns, label 2 \(2 values\)\.$/m)
})

test('what is no table, or no stage, is refused', async (t: Test) => {
  const folder = temporary(t, {
    empty: '',
    blank: '\n\n',
    header: 'a,b\n',
    single: '1\n2\n',
    binary: 'a,b\0c\n',
    'damaged.gz': Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from('no')]),
  } as never)
  const from = (name: string) => created(undefined, { from: join(folder, name) })
  for (const [name, message] of Object.entries({
    empty: /empty has no rows$/,
    blank: /has no rows$/,
    header: /header has no rows below its header$/,
    single: /single has no columns: no line has a comma/,
    binary: /is no text: it has zero bytes$/,
    'damaged.gz': /^cannot unpack .*damaged\.gz: /,
    missing: /^cannot open .*missing: no such file/,
    '.': /^--from is for CSV files, and .* is a directory; if it has a folder of images per class: millrace create load\/images,/,
    'a.parquet': /a\.parquet is read by load\/parquet: millrace create load\/parquet,normalize.* set path in it$/,
  }))
    t.match(await errorOf(from(name)), [/DATA|SYSTEM|ARGUMENTS/, message], name)
  for (const [names, flags, message] of [
    [undefined, {}, /^expected stages/],
    ['sink/csv,,', {}, /^expected names of stages with commas/],
    ['load/cvs', {}, /did you mean "load\/csv"/],
    ['./mine.js', { plugins: false }, /--no-plugins/],
    ['load/digits', { from: join(folder, 'header') }, /no rows below/],
  ] as const)
    t.match((await errorOf(created(names, flags)))[1], message)
})
