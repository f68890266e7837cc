import { once } from 'node:events'
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { diffCommand } from '../../dist/cli/diff.js'
import { fittedColumns } from '../../dist/cli/fitted-columns.js'
import { type ListFlags, listCommand } from '../../dist/cli/ls.js'
import { noteCommand, tagCommand } from '../../dist/cli/notes.js'
import { runCommand } from '../../dist/cli/run.js'
import { settingsAsJson } from '../../dist/pipeline/definition/settings.js'
import { differingFiles } from '../../dist/report/compared-files.js'
import { changeNotes, readNotes } from '../../dist/report/run-notes.js'
import { runDirectory } from '../report/runs.js'
import { temporary } from '../stages/harness.js'
import { printed } from './printed.js'

const list = (directories: string[], flags: Partial<ListFlags> = {}) =>
  printed((output) => listCommand(directories, { where: [], tag: [], ...flags }, output))

t.test('runs are listed with the settings that differ, filtered and sorted', async (t) => {
  const runs = [0.1, 0.2, 0.3].map((eta) => runDirectory(t, { eta, status: eta === 0.3 ? 'failed' : 'done' }))
  const all = await list(runs)
  t.match(all, /^run +status +test_accuracy +softmax\.eta +epoch +age +took\n/)
  t.notMatch(all, 'softmax.lambda')
  const etas = async (flags: Partial<ListFlags>): Promise<number[]> => {
    const found = JSON.parse(await list(runs, { ...flags, json: true }))
    return found.map(({ settings }: { settings: Record<string, number> }) => settings['softmax.eta'])
  }
  t.strictSame(await etas({ sort: '-softmax.eta' }), [0.3, 0.2, 0.1])
  t.strictSame(await etas({ where: ['softmax.eta=0.20'] }), [0.2])
  t.strictSame(await etas({ status: 'failed' }), [0.3])
  t.equal(await list(runs, { status: 'running' }), 'none of 3 runs\n')
  t.equal(await list([t.testdir()]), 'no runs\n')
})

t.test('the settings of a run are those of its record, or of a definition that was changed afterwards', async (t) => {
  const cwd = temporary(t, {
    'a.yaml':
      'name: a\nvars: { n: 3 }\nstages:\n  - use: load/digits\n    with: { stratify: false }\n' +
      '  - use: batch/rows\n    with: { size: 1000, epochs: "${n}" }\n',
  })
  const out = join(cwd, 'out')
  const settings = async () => JSON.parse(await list([out], { json: true }))[0].settings
  const file = (name: string) => join(out, name)
  const record = () => JSON.parse(readFileSync(file('run.json'), 'utf8'))
  const wanted = {
    n: 3,
    'digits.use': 'load/digits',
    'digits.stratify': false,
    'rows.use': 'batch/rows',
    'rows.size': 1000,
  }
  await printed((output) => runCommand(join(cwd, 'a.yaml'), { out, quiet: true }, output))
  t.match(record().settings, wanted)
  t.match(await settings(), wanted)
  writeFileSync(file('run.json'), JSON.stringify({ ...record(), settings: { n: 4 } }))
  t.match(await settings(), { n: 4 }, 'the definition is not read')
  writeFileSync(file('pipeline.yaml'), readFileSync(file('pipeline.yaml'), 'utf8').replace('n: 3', 'n: 5'))
  t.match(await settings(), { ...wanted, n: 5 }, 'it has another hash')
  t.equal(settingsAsJson({ a: [1, { b: Number.POSITIVE_INFINITY }] }), undefined, 'what JSON has no number for')
})

t.test('points of a sweep are found where they ran, and where workers of a queue run them', async (t) => {
  const folder = temporary(t)
  for (const name of ['run-1', 'grid/points/a', 'grid/working/b.host', 'other/deep/c'])
    cpSync(runDirectory(t), join(folder, name), { recursive: true })
  const found = async (place: string) =>
    JSON.parse(await list([join(folder, place)], { json: true, sort: 'run' })).map(
      ({ directory }: { directory: string }) => relative(folder, directory),
    )
  t.strictSame(await found('.'), ['grid/points/a', 'grid/working/b.host', 'run-1'])
  t.strictSame(await found('grid'), ['grid/points/a', 'grid/working/b.host'])
})

t.test('names that no run has, and conditions without a value, are refused', async (t) => {
  const run = runDirectory(t)
  for (const [flags, message] of [
    [{ where: ['eat=1'] }, 'no run has "eat"'],
    [{ where: ['eta'] }, '--where eta: expected NAME=VALUE, such as eta=0.1'],
    [{ metric: 'train_accurcy' }, 'no run has "train_accurcy"; did you mean "train_accuracy"?'],
    [{ sort: '-x' }, 'no run has "x"'],
  ] as const)
    await t.rejects(list([run], flags as never), {
      code: 'ARGUMENTS',
      message: new RegExp(message.replace('?', '\\?')),
    })
  await t.rejects(list([join(run, 'nowhere')]), { code: 'ARGUMENTS', message: /cannot list the runs in/ })
})

t.test('the best value of a metric is that of all evaluations', async (t) => {
  const run = runDirectory(t, { metrics: ['epoch,step,test_accuracy', '1,10,0.9', '2,20,0.5'] })
  t.match(await list([run]), '50.00 %')
  t.match(await list([run], { best: true }), '90.00 %')
})

t.test('a narrow terminal gets cut texts and fewer columns', async (t) => {
  const columns = [
    { rank: 0, isNumeric: false, cells: ['run', 'runs/a-very-long-name-001'] },
    { rank: 1, isNumeric: false, cells: ['status', 'done'] },
    { rank: 3, isNumeric: true, cells: ['age', '5 min'] },
  ]
  t.strictSame(
    fittedColumns(columns, undefined),
    ['run                       status    age', 'runs/a-very-long-name-001  done    5 min'].map((line, i) =>
      i === 0 ? 'run                        status    age' : line,
    ),
  )
  for (const width of [10, 20, 30, 40])
    for (const line of fittedColumns(columns, width)) t.ok(line.length <= Math.max(width, 14), `${width}: ${line}`)
  t.match(fittedColumns(columns, 34)[1], /^…\S+name-001 +done +5 min$/)
})

t.test('tags and notes are written, shown, and no part of the compared files', async (t) => {
  const [a, b] = [runDirectory(t), runDirectory(t)]
  const tag = (...words: string[]) => printed((output) => tagCommand(words, { json: true }, output))
  t.match(JSON.parse(await tag(a, '+good', '+x')), [{ tags: ['good', 'x'] }])
  await printed((output) => noteCommand(a, 'try \u001b[31m', {}, output))
  t.match(JSON.parse(await tag(a, '-x')), [{ tags: ['good'], note: 'try \u001b[31m' }])
  t.strictSame(JSON.parse(readFileSync(join(a, 'notes.json'), 'utf8')).tags, ['good'])
  t.strictSame(differingFiles(a, b), [])
  t.match(await list([a, b], { tag: ['good'] }), /good +try \\u001b\[31m\n$/)
  for (const [words, message] of [
    [[a, '+'], 'tag "": expected 1 to 40 letters'],
    [[a, '+a b'], 'tag "a b": expected'],
    [[a, '+a', '-a'], 'a: expected +TAG or -TAG, found both'],
    [['+a'], 'no run is named'],
    [[t.testdir(), '+a'], 'has no run.json'],
  ] as const)
    await t.rejects(tag(...words), { code: 'ARGUMENTS', message: new RegExp(message.replaceAll('+', '\\+')) })
  await t.rejects(
    printed((output) => noteCommand(a, 'x'.repeat(2001), {}, output)),
    /2001 characters, expected at most 2000/,
  )
})

t.test('several processes that tag a run at one time lose no tag', async (t) => {
  const run = runDirectory(t)
  const notes = new URL('../../dist/report/run-notes.js', import.meta.url).href
  const code = `import(${JSON.stringify(notes)}).then(async ({ changeNotes }) => {
    const { run, i } = require('node:worker_threads').workerData
    for (let k = 0; k < 4; k++) await changeNotes(run, { add: ['tag' + i + '-' + k] })
  })`
  const workers = Array.from({ length: 5 }, (_, i) => new Worker(code, { eval: true, workerData: { run, i } }))
  t.strictSame(await Promise.all(workers.map((worker) => once(worker, 'exit'))), Array(5).fill([0]))
  // Within one process, too.
  await Promise.all([1, 2, 3].map((i) => changeNotes(run, { add: [`own${i}`] })))
  t.equal(readNotes(run).tags.length, 23)
  t.notOk(readdirSync(run).some((name) => name.includes('lock')))
})

t.test('notes that are damaged, or a link, are left out and left alone', async (t) => {
  const run = runDirectory(t, { files: { 'notes.json': '{' } })
  t.match(await list([run]), 'done')
  const other = runDirectory(t)
  const secret = join(t.testdir({ secret: 'x' }), 'secret')
  symlinkSync(secret, join(other, 'notes.json'))
  await t.rejects(
    printed((output) => tagCommand([other, '+a'], {}, output)),
    { code: 'WRITE' },
  )
  t.equal(readFileSync(secret, 'utf8'), 'x')
})

t.test('diff prints what differs, and says whether anything does', async (t) => {
  const [a, b] = [runDirectory(t), runDirectory(t, { eta: 0.2, metrics: ['epoch,step,train_cost', '1,10,3'] })]
  let isEqual: boolean | undefined
  const text = await printed(async (output) => {
    isEqual = await diffCommand(a, b, {}, output)
  })
  t.equal(isEqual, false)
  t.match(text, ': different\ndefinition:\n  softmax.eta: 0.1 (line 5) → 0.2 (line 5)\ndata: the same\n')
  t.match(text, /train_cost +1\.6000 → 3\.0000 +1\.6000 \(epoch 2\) → 3\.0000 \(epoch 1\) +epoch 1, step 10\n/)
  await printed(async (output) => t.equal(await diffCommand(a, a, { json: true }, output), true))
  writeFileSync(join(b, 'run.json'), '{')
  await t.rejects(
    printed((output) => diffCommand(a, b, {}, output)),
    { code: 'ARGUMENTS', message: /run\.json is damaged/ },
  )
})

t.test('run --tag and --note write tags and a note beside the record', async (t) => {
  const cwd = temporary(t, { 'a.yaml': 'name: a\nstages:\n  - use: load/digits\n' })
  const out = join(cwd, 'out')
  await printed((output) => runCommand(join(cwd, 'a.yaml'), { out, quiet: true, tag: ['b', 'a'], note: 'why' }, output))
  t.strictSame(JSON.parse(readFileSync(join(out, 'notes.json'), 'utf8')), { tags: ['a', 'b'], note: 'why' })
  t.notMatch(readFileSync(join(out, 'run.json'), 'utf8'), 'why')
  await t.rejects(
    printed((output) => runCommand(join(cwd, 'a.yaml'), { out: join(cwd, 'no'), tag: ['a b'] }, output)),
    { code: 'ARGUMENTS' },
  )
})

t.test('a run from a stranger: names of properties as metrics, and notes that are damaged', async (t) => {
  const info = { name: 'constructor', title: 'x', better: 'higher' } as const
  const strange = runDirectory(t, {
    metrics: ['epoch,step,constructor', '1,10,0.5'],
    metricInfos: { constructor: info },
    files: { 'notes.json': '{"tags": ["mine"], "note": "do not lo' },
  })
  const usual = runDirectory(t)
  const listed = await list([usual, strange], { metric: 'constructor' })
  t.match(listed, /0\.5000/)
  t.notMatch(listed, /native code|\[object/)
  t.notMatch(await printed((output) => diffCommand(usual, strange, {}, output)), /native code|\[object/)
  const before = readFileSync(join(strange, 'notes.json'), 'utf8')
  await t.rejects(
    printed((output) => tagCommand([strange, '+good'], {}, output)),
    { code: 'WRITE', message: /notes\.json cannot be read: .*; it is not changed; mend or remove it$/ },
  )
  t.equal(readFileSync(join(strange, 'notes.json'), 'utf8'), before)
})
