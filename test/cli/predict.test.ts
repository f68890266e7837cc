import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import t, { type Test } from 'tap'
import { evaluateCommand } from '../../dist/cli/evaluate.js'
import { type PredictFlags, predictCommand } from '../../dist/cli/predict.js'
import { loadModel } from '../../dist/index.js'
import type { Column } from '../../dist/pipeline/stage-kit.js'
import { storedModel } from '../models.js'
import { errorOf } from '../stages/harness.js'
import { finished, main, spawnMillrace, userEnvironment } from './millrace.js'
import { collectedOutput } from './printed.js'

const columns: Column[] = [
  { kind: 'number', name: 'age', fill: 30 },
  { kind: 'category', name: 'sex', encode: 'one-hot', categories: ['f', 'm'], unseen: 'error' },
]

const definition = `stages:
  - use: load/csv
    with: { path: train.csv, label: ill, delimiter: "\${d}", missing: mean, text: one-hot, fractions: { train: 1 } }
vars: { d: ";" }
`

/** A run directory with a model of patients, whose data had semicolons. */
function patients(t: Test): string {
  const run = dirname(storedModel(t, { columns, names: ['age', 'sex=f', 'sex=m'], label: 'ill' }))
  writeFileSync(join(run, 'pipeline.yaml'), definition)
  writeFileSync(join(run, 'new.csv'), 'sex;age\nm;3\nf;\n')
  writeFileSync(join(run, 'known.csv'), 'ill;sex;age;note\nyes;m;3;a\nno;f;1;b\nno;m;4;c\n')
  return run
}

async function predict(run: string, data: readonly string[], flags: Partial<PredictFlags> = {}) {
  const { seen, output } = collectedOutput()
  await predictCommand(run, data, { which: 'last', set: [], out: '-', kernel: 'reference', ...flags }, output)
  return { ...seen, data: seen.data.toString() }
}

t.test('predict and evaluate tell how many texts the training did not have', async (t) => {
  const columns = Object.entries({ town: ['a', 'b'], job: ['a'] }).map(([name, categories]): Column => {
    return { kind: 'category', name, encode: 'one-hot', categories, unseen: 'ignore' }
  })
  const run = dirname(storedModel(t, { columns, names: ['town=a', 'town=b', 'job=a'], label: 'ill' }))
  writeFileSync(join(run, 'pipeline.yaml'), definition)
  writeFileSync(join(run, 'new.csv'), 'ill;town;job\nyes;x;a\nno;y;a\nno;x;z\nno;a;a\n')
  const note =
    /note: data: 4 cells have texts that the training did not have \(town: 3, job: 1\): no category, because the model was trained with unseen: ignore\n$/
  t.match((await predict(run, [join(run, 'new.csv')])).err, note)
  const { seen, output } = collectedOutput()
  await evaluateCommand(run, [join(run, 'new.csv')], { which: 'last', set: [], kernel: 'reference' }, output)
  t.match(seen.err, note)
})

t.test('predict reads files as the run did, with the columns of the model', async (t) => {
  const run = patients(t)
  const model = await loadModel(run, { kernel: 'reference' })
  const { values, labels } = model.predict([
    { sex: 'm', age: 3 },
    { sex: 'f', age: null },
  ])
  model.free()
  const { data } = await predict(run, [join(run, 'new.csv')])
  t.equal(
    data,
    `row,label,predicted,probability_no,probability_yes\n0,,${labels[0]},${values[0]},${values[1]}\n1,,${labels[1]},${values[2]},${values[3]}\n`,
  )
  const both = await predict(run, [join(run, 'new.csv'), join(run, 'known.csv')])
  t.strictSame(
    both.data
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(',').slice(0, 2).join()),
    ['0,', '1,', '2,yes', '3,no', '4,no'],
    'rows are counted over all files',
  )
  t.match(both.err, /note: data: .*note/, 'a column that the model lacks is told')
  const file = join(run, 'p.jsonl')
  const told = await predict(run, [join(run, 'known.csv')], { out: file })
  t.match(told.out, /^3 rows: no \d, yes \d; written to .*p\.jsonl\n[\d.]+ % right, of the 3 rows with a label\n$/)
  t.match(JSON.parse(readFileSync(file, 'utf8').split('\n')[0]!), { row: 0, label: 'yes' })
  await predict(run, [join(run, 'new.csv')], { out: join(run, 'p.arrow') })
  t.equal(tableFromIPC(readFileSync(join(run, 'p.arrow'))).numRows, 2)
  writeFileSync(join(run, '${x}.csv'), 'sex;age\nm;3\n')
  t.match((await predict(run, [join(run, '${x}.csv')])).data, /\n0,,/, 'a name that looks like a var')
  const json = await predict(run, [join(run, 'new.csv')], { out: join(run, 'p.parquet'), json: true })
  t.match(JSON.parse(json.out), { format: 'parquet', rows: 2, labelled: 0, accuracy: null })
  t.equal(readFileSync(join(run, 'p.parquet')).subarray(0, 4).toString(), 'PAR1')
})

t.test('what is wrong is told in the words of the command, and leaves no file', async (t) => {
  const run = patients(t)
  const [fresh, known] = [join(run, 'new.csv'), join(run, 'known.csv')]
  writeFileSync(join(run, 'bad.csv'), 'sex;age\nm;3\nx;4\n')
  writeFileSync(join(run, 'less.csv'), 'sex\nm\n')
  writeFileSync(join(run, 'empty.csv'), '')
  writeFileSync(join(run, 'head.csv'), 'sex;age\n')
  mkdirSync(join(run, 'folder.csv'))
  const before = readdirSync(run).sort()
  const out = join(run, 'p.csv')
  const cases: [data: string[], flags: Partial<PredictFlags>, message: RegExp][] = [
    [['nope.csv'], { out }, /^load\/csv: cannot read nope\.csv: no such file or directory/],
    [[join(run, 'bad.csv')], { out }, /^load\/csv: .*bad\.csv:3.*sex.*"x"/],
    [[join(run, 'less.csv')], { out }, /less\.csv.*age/],
    [[join(run, 'empty.csv')], { out }, /empty\.csv is empty/],
    [[join(run, 'folder.csv')], { out }, /it is a directory/],
    [[fresh], { out, set: ['delimter=,'] }, /^--set delimter=, {2}load\/csv: unknown option "delimter"/],
    [[fresh], { out, set: ['delimiter=,'] }, /new\.csv/],
    [[fresh], { out, load: 'load/cvs' }, /no stage named "load\/cvs"; did you mean "load\/csv"/],
    [[], { out }, /^expected files with rows for the model/],
    [[fresh, 'x.parquet'], { out }, /^the files are of different kinds \(load\/csv and load\/parquet\)/],
    [[fresh, '-'], { out }, /^expected nothing beside "-", which is a pipe/],
    [[fresh], { out: join(run, 'p.foo') }, /p\.foo: expected a file that ends in \.csv, \.jsonl/],
    [[fresh], { out: known }, /known\.csv exists already; --force replaces it/],
    [[fresh], { out: run, format: 'csv' }, /is not a regular file; --out - writes to standard output$/],
    [[fresh], { out: join(run, 'nope/p.csv') }, /^cannot write .*p\.csv: no such file or directory$/],
    [[fresh], { json: true }, /^--json prints a summary to standard output/],
    [[fresh], { out, which: 'best' }, /holds no best\.arrow/],
  ]
  for (const [data, flags, message] of cases)
    t.match((await errorOf(predict(run, data, flags)))[1], message, String(message))
  t.match((await errorOf(predict(join(run, 'nope'), [fresh])))[1], /^cannot read .*nope: no such file/)
  t.strictSame(readdirSync(run).sort(), before)
  const unknown = join(dirname(storedModel(t)), 'parameters.arrow')
  t.match((await errorOf(predict(unknown, ['x'])))[1], /^it is not clear how x is to be read: name the load stage/)
  const rest = await errorOf(predict(run, [join(run, 'head.csv')], { out }))
  t.match(rest[1], /head\.csv/, 'a file without rows')
})

t.test('evaluate measures labelled rows, and counts those without a label', async (t) => {
  const run = patients(t)
  const evaluate = async (data: string, flags = {}) => {
    const { seen, output } = collectedOutput()
    await evaluateCommand(run, [join(run, data)], { which: 'last', set: [], kernel: 'reference', ...flags }, output)
    return seen.out
  }
  const text = await evaluate('known.csv')
  t.match(
    text,
    /^3 rows; parameters of epoch 2, step 6 in .*\n\nloss +[\d.]+ nats\ncost .*\naccuracy +[\d.]+ %\n\ntrue \\ predicted +no +yes +rows +recall +precision +F1\n/,
  )
  const json = JSON.parse(await evaluate('known.csv', { json: true, metrics: 'auc, { topK: 1 }' }))
  t.match(json, { rows: 3, epoch: 2, classes: ['no', 'yes'], metrics: { auc: Number, accuracy: Number } })
  const [[a, b], [c, d]] = json.confusion
  t.equal(a + b + c + d, 3)
  t.equal((a + d) / 3, json.metrics.accuracy)
  t.match(
    (await errorOf(evaluate('new.csv')))[1],
    /^expected rows whose class is known, but 2 of 2 have no label \(rows 0, 1, counted from 0\)/,
  )
  t.match(
    (await errorOf(evaluate('known.csv', { metrics: 'acu' })))[1],
    /^evaluate\/classification: metrics\[0\]: expected /,
  )
  t.match(
    (await errorOf(evaluate('known.csv', { metrics: '}' })))[1],
    /^--metrics: expected names separated by commas, got/,
  )
})

t.test('pipes: standard input is read, a reader that has read enough is no error', async (t) => {
  const run = patients(t)
  const env = userEnvironment({ MILLRACE_KERNEL: 'reference' })
  const child = spawn(process.execPath, [main, 'predict', run, '-', '--set', 'delimiter=,'], { env, cwd: run })
  child.stdin.end(`age,sex\n${'3,m\n'.repeat(20_000)}`)
  const ended = finished(child)
  // It reads no more than the first part.
  const first = await new Promise<string>((resolve) => child.stdout.once('data', (bytes) => resolve(String(bytes))))
  child.stdout.destroy()
  const { code, stderr } = await ended
  t.match(first, /^row,label,predicted,probability_no,probability_yes\n/)
  t.strictSame([code, stderr], [0, ''])
  const further = spawn(process.execPath, [main, 'predict', run, '-', '--set', 'delimiter=,'], { env, cwd: run })
  further.stdin.end('age,sex,town\n3,m,Ulm\n')
  t.match(
    (await finished(further)).stderr,
    /^note: data: standard input: left out, because the model does not take it: town\n$/,
  )
})

t.test('Ctrl-C leaves the file as it was', async (t) => {
  const run = patients(t)
  const out = join(run, 'p.csv')
  writeFileSync(out, 'mine')
  writeFileSync(join(run, 'long.csv'), `sex;age\n${'m;3\n'.repeat(100_000)}`)
  const args = ['predict', run, join(run, 'long.csv'), '--out', out, '--force']
  const child = spawnMillrace(args, run, { MILLRACE_KERNEL: 'reference' })
  const isWriting = (): boolean => readdirSync(run).some((name) => name.endsWith('.part'))
  while (!isWriting() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 10))
  child.kill('SIGINT')
  const { code } = await finished(child)
  t.equal(code, 130)
  t.equal(readFileSync(out, 'utf8'), 'mine')
  t.notOk(isWriting())
})
