import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableToIPC } from 'apache-arrow'
import t from 'tap'
import { metricsTable } from '../../dist/pipeline/stage-kit.js'
import { readRun } from '../../dist/report/index.js'
import { temporary } from '../stages/harness.js'
import { metrics, runDirectory, runFiles, svg } from './runs.js'

t.test('what is no run directory is refused, each with its reason', (t) => {
  const folder = temporary(t, { file: '' })
  const cases: readonly [path: string, code: string, message: RegExp][] = [
    [join(folder, 'nowhere'), 'ARGUMENTS', /nowhere is no run directory: it does not exist$/],
    [join(folder, 'file'), 'ARGUMENTS', /file is no run directory: it is a file; give the directory that/],
    [folder, 'ARGUMENTS', /is no run directory: it has no run\.json; give the directory that/],
    [temporary(t, { 'run.json': '{' }), 'DATA', /run\.json is damaged: /],
    [temporary(t, { 'run.json': '{"status":"done"}' }), 'DATA', /run\.json is not the record of a run: name: /],
    [temporary(t, { 'run.json': '[]' }), 'DATA', /run\.json is not the record of a run: /],
  ]
  for (const [path, code, message] of cases) t.throws(() => readRun(path), { code, message }, path)
  t.end()
})

t.test('a row that was cut off when the run was killed is left out, and said', (t) => {
  const run = runFiles(t, { metrics: [...metrics, '3,30,1.2'] })
  t.same(
    run.metrics.map(({ epoch }) => epoch),
    [1, 2],
  )
  t.same(run.remarks, ['metrics.csv: 1 damaged rows left out'])
  t.end()
})

t.test('metrics are found under another name, too', (t) => {
  const run = runFiles(t, {
    metrics: [],
    files: { 'a.csv': 'x,y\n1,2\n', 'history.csv': 'epoch,step,train_cost\n1,10,Infinity\n' },
  })
  t.same(run.metrics, [{ epoch: 1, step: 10, train_cost: Number.POSITIVE_INFINITY }])
  t.end()
})

t.test('figures are those that are images; single snapshots stay in the directory', (t) => {
  const run = runFiles(t, {
    files: {
      'figures/weights.svg': svg,
      'figures/weights.png': 'never looked at: the SVG is sharper',
      'figures/weights-epoch-0010.svg': svg,
      'figures/fake.svg': '<html></html>',
      'figures/fake.png': 'text',
      'figures/large.svg': svg + ' '.repeat(3 << 20),
    },
  })
  t.same(
    run.figures.map(({ name, type }) => [name, type]),
    [['weights', 'image/svg+xml']],
  )
  t.same([...run.remarks].sort(), [
    'fake.png is left out: it is no PNG',
    'fake.svg is left out: it is no SVG',
    'large.svg is left out: it is too large: expected at most 2 MiB',
  ])
  t.end()
})

t.test('options that refer to vars are read with their values', (t) => {
  const directory = runDirectory(t)
  writeFileSync(
    join(directory, 'pipeline.yaml'),
    'vars: { eta: 0.5, b: "${eta}" }\nstages:\n  - { use: x/y, with: { eta: "${eta}", b: ["${b}"], text: "$${eta}" } }\n',
  )
  t.same(readRun(directory).stages, [{ use: 'x/y', with: { eta: 0.5, b: [0.5], text: '${eta}' } }])
  t.end()
})

t.test('a run without a definition, or with a damaged one, is still a run', (t) => {
  const directory = runDirectory(t)
  writeFileSync(join(directory, 'pipeline.yaml'), 'stages: [')
  t.match(readRun(directory).remarks, [/^pipeline\.yaml cannot be read: /])
  writeFileSync(join(directory, 'pipeline.yaml'), 'published: { train_cost: 3 }\nstages: [1, null]\n')
  t.same(readRun(directory).remarks, ['the block "published" of pipeline.yaml is malformed'])
  rmSync(join(directory, 'pipeline.yaml'))
  t.same(readRun(directory).stages, [])
  t.end()
})

t.test('metrics are read from whatever sink wrote them', (t) => {
  const lines = '{"epoch":1,"step":10,"train_cost":2}\n{"epoch":2,"step":20,"train_cost":"NaN"}\n{"epoch":3,'
  const rows = runFiles(t, { metrics: [], files: { 'metrics.jsonl': lines } }).metrics
  t.strictSame(rows, [
    { epoch: 1, step: 10, train_cost: 2 },
    { epoch: 2, step: 20, train_cost: Number.NaN },
  ])
  const table = metricsTable({ epoch: 1, step: 10, epochs: 1, steps: 10 }, { train_cost: 2 })
  const stream = { 'm.arrows': tableToIPC(table, 'stream'), 'z.jsonl': 'no JSON\n' }
  const run = runFiles(t, { metrics: [], files: stream })
  t.strictSame(run.metrics, [{ epoch: 1, step: 10, train_cost: 2 }])
  t.match(run.remarks, [/^z\.jsonl cannot be read: /])
  t.end()
})

t.test('a damaged definition prints nothing of the YAML parser', async (t) => {
  const warnings: string[] = []
  const onWarning = (warning: Error): number => warnings.push(warning.message)
  process.on('warning', onWarning)
  const directory = runDirectory(t)
  writeFileSync(join(directory, 'pipeline.yaml'), '!unknown a: b\n')
  t.strictSame(readRun(directory).stages, [])
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', onWarning)
  t.strictSame(warnings, [])
})

t.test('the metadata of metrics is that of run.json, else known by names; a damaged one is an error', (t) => {
  const f1 = { name: 'f1', title: 'F1', unit: 'share', better: 'higher' } as const
  const lines = ['epoch,step,f1,train_loss', '1,10,0.5,1']
  const stored = runFiles(t, { metrics: lines, metricInfos: { f1 } }).metricInfos
  t.strictSame(
    [...stored],
    [
      ['f1', f1],
      ['train_loss', { name: 'train_loss', title: 'train loss' }],
    ],
  )
  t.equal(runFiles(t, { metrics: lines }).metricInfos.get('train_loss')!.better, 'lower')
  const damaged = runDirectory(t, { metricInfos: { f1: { ...f1, better: 'up' as 'higher' } } })
  t.throws(() => readRun(damaged), {
    code: 'DATA',
    message: /run\.json is not the record of a run: metrics\.f1\.better: /,
  })
  t.end()
})

t.test('a record of as many bytes as a run may write is read', async (t) => {
  const directory = runDirectory(t)
  appendFileSync(join(directory, 'run.json'), ' '.repeat(20 << 20))
  t.equal(readRun(directory).record.status, 'done')
})
