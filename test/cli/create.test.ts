import { existsSync, mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Table } from 'apache-arrow'
import { type Observable, tap } from 'rxjs'
import { type Test, test } from 'tap'
import { parse } from 'yaml'
import { bufferSize, memoryForRows } from '../../dist/cli/create/large.js'
import { summaryOf } from '../../dist/cli/create/loaded.js'
import { lookAtTable } from '../../dist/cli/create/table-file.js'
import { tableOptions } from '../../dist/cli/create/table-options.js'
import { type CreateFlags, createCommand } from '../../dist/cli/create.js'
import { Pipeline, run } from '../../dist/index.js'
import { randomStream } from '../../dist/pipeline/base/random.js'
import { npyOfNumbers } from '../../dist/pipeline/formats/npy.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { errorOf, temporary } from '../stages/harness.js'
import { bytesNpy, npzFile, pngFile, pngOfPlanes } from '../stages/load/array-files.js'
import { idxBytes } from '../stages/load/idx-files.js'
import { tableFiles, rows as tableRows, wholeFiles } from '../stages/load/table-files.js'
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

test('data that does not fit into memory is cached, and mixed in a buffer', async (t) => {
  const folder = temporary(t, { 'a.csv': `x,y,kind\n${rows((i) => [i, 60.5 - i, kind(i)], ',', 400)}` })
  const from = join(folder, 'a.csv')
  const { pipeline, problems, stages } = await created(undefined, { from, memory: '1MB' })
  t.strictSame(problems, [])
  t.match(pipeline, /^memory: 1MB$/m)
  t.match(pipeline, /^# if the data is sorted by its label, take shuffle\/rows instead/m)
  t.match(stages.map(({ use }) => use).join(' '), /^load\/csv cache\/arrow normalize\S* batch\/rows shuffle\/buffer /)
  const { record } = await run(plain(await Pipeline.define(parse(pipeline))), { out: join(folder, 'run') })
  t.equal(record.status, 'done')
  truncateSync(from, 1e9)
  t.match(
    (await created(undefined, { from })).pipeline,
    /^memory: 1GB$[\s\S]*size: 100000/m,
    'a large file, without being asked',
  )
  t.match(
    (await created('load/csv,split/rows,shuffle/rows', { memory: '5MB' })).stages.map(({ use }) => use).join(' '),
    /^load\/csv split\/rows cache\/arrow .*shuffle\/rows/,
  )
  t.match(
    await errorOf(created('gradient-step/softmax', { memory: '5MB' })),
    ['ARGUMENTS', /^--memory keeps rows in a cache behind the stage that loads them; name that stage/],
    'without a stage that loads',
  )
  mkdirSync(join(folder, 'cat'))
  renameSync(from, join(folder, 'cat/1.png'))
  t.equal(memoryForRows(undefined, folder), '1GB', 'images of classes')
  t.notOk(memoryForRows(undefined, join(folder, 'nowhere')))
  t.equal(bufferSize('1MB', 784), 156, 'no more than half of the memory')
  t.match(await errorOf(created(undefined, { from, memory: 'much' })), [
    'ARGUMENTS',
    '--memory: expected a size such as 500MB, 1.5GB or 2GiB, 1MB or more, got "much"',
  ])
})

test('a look at arrays and images has a few rows in memory at a time', async (t) => {
  const folder = temporary(t, { 'x.npy': bytesNpy([4000, 1000], new Uint8Array(4_000_000)), 'y.npy': labels(4000) })
  mkdirSync(join(folder, 'cat'))
  writeFileSync(join(folder, 'cat/1.png'), pngOfPlanes(new Uint8Array(3), 1, 1))
  const built = await builtInStages()
  for (const [use, options, rows] of [
    ['load/numpy', { path: join(folder, 'x.npy'), labels: join(folder, 'y.npy') }, 4000],
    ['load/images', { path: folder }, 1],
  ] as const) {
    const stage = built.get(use)!
    const sizes: number[] = []
    const watched = {
      ...stage,
      run: (...given: Parameters<typeof stage.run>) =>
        (stage.run(...given) as Observable<Table>).pipe(tap(({ numRows }) => sizes.push(numRows))),
    }
    const { splits } = await summaryOf(watched, options, new AbortController().signal)
    t.match(splits, [{ name: 'train', rows }], use)
    t.equal(Math.max(...sizes) < 1000 && sizes.length > 4, rows > 1, `${sizes.length} tables`)
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

/** A made pipeline for one epoch, without figures, which take long to draw. */
function plain(pipeline: Pipeline) {
  const drawing = ['curves', 'terminal', 'confusion'].filter((id) =>
    pipeline.graph.nodes.some((node) => node.id === id),
  )
  return drawing.reduce((rest, id) => rest.remove(id), pipeline.set('rows', { epochs: 1 }))
}

const rows = (cells: (i: number) => readonly (string | number)[], separator: string, count = 60) =>
  `${Array.from({ length: count }, (_, i) => cells(i).join(separator)).join('\n')}\n`
const kind = (i: number) => ['a', 'b', 'c'][i % 3]!

/** Tables, and what is found in them: options of `load/csv` as it is, or as it could be. */
const tables: Record<string, [content: string | Buffer, options: Record<string, unknown>]> = {
  'numbers and a label': [`x,y,kind\n${rows((i) => [i, 60.5 - i, kind(i)], ',')}`, { label: 'kind' }],
  'names that are there twice': [
    `"a ""b""","new\nline",label,label\n${rows((i) => [i, 60.5 - i, kind(i + 1), i % 2], ',')}`,
    { label: 2 },
  ],
  'a rare class': [
    `x,kind\n${rows((i) => [i, i % 20 === 0 ? 'rare' : kind(i)], ',')}`,
    { label: 'kind', stratify: true },
  ],
  'a class that nearly all rows have, a column of one value, and one with a single text or nothing': [
    `x,same,flag,kind\n${rows((i) => [i / 2, 1, i % 3 ? '' : 'yes', i % 4 === 0 ? 'rare' : 'usual'], ',')}`,
    {
      ...{ label: 'kind', drop: ['same'], text: { flag: 'one-hot' }, unseen: 'ignore' },
      missing: { flag: { constant: 'none' } },
    },
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
  dates: [
    `x,day,at,version,kind\n${rows((i) => [i / 2, `${(i % 12) + 1}/1/2024`, `2024-01-${10 + (i % 20)}T12:30:00Z`, `1.${i % 3}.20`, kind(i)], ',')}`,
    { label: 'kind', drop: ['day', 'at'], text: { version: 'one-hot' }, unseen: 'ignore' },
  ],
  'a label with holes': [`x,kind\n${rows((i) => [i, i % 10 ? kind(i) : ''], ',')}`, { label: 'kind' }],
  'quotes with delimiters': [
    `x,"a, b",kind\n${rows((i) => [i, `"${i % 5}"`, `"${kind(i)}, x"`], ',')}`,
    { label: 'kind' },
  ],
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
    const found = tableOptions('data.csv', table, () => true)
    t.strictSame(found.options, { path: 'data.csv', ...options }, name)
    if (name === 'dates')
      t.match(found.remarks, [
        'Left out: "day" (dates) and "at" (dates).',
        /^Dates are texts; to learn from them, write/,
      ])
  }
})

test('a file that is looked at in part is trained on as often as one with so many rows', async (t) => {
  const folder = temporary(t)
  const random = randomStream(1, 'table')
  const row = (_: unknown, i: number) => `${Array.from({ length: 100 }, () => random.uniform().toFixed(4))},${i % 2}`
  const text = `${Array.from({ length: 100 }, (_, i) => `c${i}`)},label\n${Array.from({ length: 20_000 }, row).join('\n')}\n`
  for (const [name, content] of [
    ['plain.csv', text],
    ['packed.csv.gz', gzipSync(text, { level: 1 })],
  ] as const) {
    const from = join(folder, name)
    writeFileSync(from, content)
    const { with: options } = parse((await created(undefined, { from })).pipeline).stages[2]
    // 3000 steps of 100 rows through the 14,000 that train: 21 epochs. Its beginning alone has some 6000 rows.
    t.equal(options.size, 100, name)
    t.ok(options.epochs >= 19 && options.epochs <= 24, `${name}: ${options.epochs} epochs`)
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
    const pipeline = plain(await Pipeline.load(out))
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

const counting = (count: number, modulus = 256) => Array.from({ length: count }, (_, i) => i % modulus)
const labels = (count: number) => npyOfNumbers(Int32Array.from(counting(count, 3)), [count])
const image = (width: number, shade: number) =>
  pngFile(
    { width, height: 2, color: 0 },
    counting(2 * width).map((i) => shade + i),
  )
const images = (folder: string, widths: readonly number[]) =>
  Object.fromEntries(
    widths.flatMap((width, i) => ['a', 'b'].map((name, k) => [`${folder}/${name}/${i}.png`, image(width, 90 * k + i)])),
  )
const cifar = (count: number) => Buffer.concat(counting(count, 10).map((i) => Buffer.alloc(3073, 20 * i).fill(i, 0, 1)))
const idx = (name: string, count: number) => ({
  [`${name}-images-idx3-ubyte`]: idxBytes([count, 2, 2], counting(4 * count)),
  [`${name}-labels-idx1-ubyte`]: idxBytes([count], counting(count, 3)),
})
const tabular = { text: { colour: 'one-hot' }, unseen: 'ignore', label: 'label' }
const thirds = { fractions: { train: 0.7, validation: 0.15, test: 0.15 } }
const holes = tableRows.map(([size, colour, label], i) => [i % 9 ? size : undefined, colour, label] as const)

/** Files of each format, what is given to --from, and the load stage that is found. */
const formats: Record<
  string,
  [files: Record<string, Uint8Array>, from: string, use: string, options: Record<string, unknown>]
> = {
  jsonl: [{ 'a.jsonl': tableFiles.jsonl!(tableRows) }, 'a.jsonl', 'load/jsonl', { path: 'a.jsonl', ...tabular }],
  'packed jsonl': [
    { 'a.jsonl.gz': gzipSync(tableFiles.jsonl!(tableRows)) },
    'a.jsonl.gz',
    'load/jsonl',
    { path: 'a.jsonl.gz', ...tabular },
  ],
  parquet: [
    { 'a.parquet': tableFiles.parquet!(holes) },
    'a.parquet',
    'load/parquet',
    { path: 'a.parquet', ...tabular, missing: { size: 'median' } },
  ],
  arrow: [{ 'a.arrow': tableFiles.arrow!(tableRows) }, 'a.arrow', 'load/arrow', { path: 'a.arrow', ...tabular }],
  arff: [{ 'a.arff': tableFiles.arff!(tableRows) }, 'a.arff', 'load/arff', { path: 'a.arff', ...tabular }],
  'parquet of images': [
    {
      'a.parquet': wholeFiles.parquet!(
        counting(30).map((i) => Uint8Array.of(i, 2, 3, 4)),
        counting(30, 3),
      ),
    },
    'a.parquet',
    'load/parquet',
    { path: 'a.parquet', label: 'label' },
  ],
  npz: [
    { 'a.npz': npzFile({ x: bytesNpy([40, 2], counting(80)), y: labels(40) }) },
    'a.npz',
    'load/numpy',
    { path: 'a.npz', ...thirds },
  ],
  'npz with splits': [
    {
      'a.npz': npzFile({
        train_images: bytesNpy([20, 2, 2], counting(80)),
        train_labels: labels(20),
        val_images: bytesNpy([10, 2, 2], counting(40)),
        val_labels: labels(10),
      }),
    },
    'a.npz',
    'load/numpy',
    { files: { train: 'a.npz', val: 'a.npz' } },
  ],
  npy: [
    { 'x.npy': bytesNpy([10, 2], counting(20)), 'y.npy': labels(10) },
    'x.npy',
    'load/numpy',
    { path: 'x.npy', labels: 'y.npy' },
  ],
  'npy with splits': [
    {
      'X_train.npy': bytesNpy([10, 2], counting(20)),
      'y_train.npy': labels(10),
      'X_test.npy': bytesNpy([10, 2], counting(20)),
      'y_test.npy': labels(10),
    },
    'X_train.npy',
    'load/numpy',
    {
      files: {
        train: { path: 'X_train.npy', labels: 'y_train.npy' },
        test: { path: 'X_test.npy', labels: 'y_test.npy' },
      },
    },
  ],
  mnist: [
    { ...idx('train', 30), ...idx('t10k', 10) },
    '.',
    'load/idx',
    { directory: '${here}', fractions: { train: 0.9, validation: 0.1 } },
  ],
  'other IDX files': [
    { ...idx('my-train', 30), ...idx('my-test', 10) },
    'my-train-images-idx3-ubyte',
    'load/idx',
    {
      directory: '${here}',
      files: {
        test: { images: 'my-test-images-idx3-ubyte', labels: 'my-test-labels-idx1-ubyte' },
        train: { images: 'my-train-images-idx3-ubyte', labels: 'my-train-labels-idx1-ubyte' },
      },
      fractions: { train: 0.9, validation: 0.1 },
    },
  ],
  cifar10: [
    { 'data_batch_1.bin': cifar(30), 'data_batch_3.bin.gz': gzipSync(cifar(10)) },
    '.',
    'load/cifar10',
    { directory: '${here}', train: ['data_batch_1.bin', 'data_batch_3.bin'], test: [], holdOut: 8 },
  ],
  'images of one size': [images('photos', [3, 3, 3]), 'photos', 'load/images', { path: 'photos' }],
  'images of several sizes, in splits': [
    { ...images('train', [3, 4]), ...images('val', [3]) },
    '.',
    'load/images',
    { files: { train: 'train', val: 'val' }, shape: [3, 32, 32] },
  ],
  'a folder with a name like a var': [
    images('photos ${x} #1', [3, 3, 3]),
    'photos ${x} #1',
    'load/images',
    { path: 'photos $${x} #1' },
  ],
}

test('every format becomes a pipeline that runs', async (t) => {
  for (const [name, [files, from, use, options]] of Object.entries(formats)) {
    const folder = temporary(t)
    for (const [path, bytes] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), bytes)
    }
    const out = join(folder, 'p.yaml')
    const cwd = process.cwd()
    process.chdir(folder)
    try {
      await printed((output) => createCommand(undefined, { from, out }, output))
    } finally {
      process.chdir(cwd)
    }
    const [load] = parse(readFileSync(out, 'utf8')).stages
    t.strictSame([load.use, load.with], [use, options], name)
    const pipeline = plain(await Pipeline.load(out))
    const ended = run(pipeline, { out: join(folder, 'run'), kernel: 'reference' })
    t.equal((await ended.catch((error) => ({ record: { status: String(error) } }))).record.status, 'done', name)
  }
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
    'good.csv': 'a,b\n1,x\n2,y\n',
    empty: '',
    blank: '\n\n',
    header: 'a,b\n',
    single: '1\n2\n',
    binary: 'a,b\0c\n',
    'empty.jsonl': '\n',
    'x.npy': '',
    'train-images-idx3-ubyte': '',
    'damaged.gz': Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from('no')]),
  } as never)
  mkdirSync(join(folder, 'none'))
  const from = (name: string) => created(undefined, { from: join(folder, name) })
  for (const [name, message] of Object.entries({
    empty: /empty has no rows$/,
    blank: /has no rows$/,
    header: /header has no rows below its header$/,
    single: /single has no columns: no line has a comma/,
    binary: /is no text: it has zero bytes$/,
    'damaged.gz': /^cannot unpack .*damaged\.gz: /,
    missing: /^cannot open .*missing: no such file/,
    none: /is a directory without a folder of images \(\.png, \.jpg\) per class, and without files of CIFAR or MNIST/,
    'a.parquet': /cannot read .*a\.parquet: no such file/,
    'empty.jsonl': /empty\.jsonl/,
    'x.npy': /x\.npy has features only, and there is no file of labels beside it/,
    'train-images-idx3-ubyte': /has no pair of IDX files for training/,
  }))
    t.match(await errorOf(from(name)), [/DATA|SYSTEM|ARGUMENTS/, message], name)
  for (const [names, flags, message] of [
    [undefined, {}, /^expected stages/],
    ['sink/csv,,', {}, /^expected names of stages with commas/],
    ['load/cvs', {}, /did you mean "load\/csv"/],
    ['./mine.js', { plugins: false }, /--no-plugins/],
    ['load/digits', { from: join(folder, 'header') }, /no rows below/],
    [
      'load/digits',
      { from: join(folder, 'good.csv') },
      /^--from reads this data with load\/csv, not load\/digits; leave/,
    ],
  ] as const)
    t.match((await errorOf(created(names, flags)))[1], message)
})
