import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import type { MetricInfo } from '../../dist/pipeline/wires/metrics.js'
import { readAttempts, settingsFrom, settingsTable, writeReport } from '../../dist/report/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { runDirectory } from './runs.js'

interface Given {
  readonly eta: number
  readonly lambda?: number
  readonly seed?: number
  /** The validation accuracy; none: no result yet. */
  readonly accuracy?: number
  /** A metric `f1`, which names do not explain. */
  readonly f1?: number
  readonly error?: string
}

/** The directory of a sweep as `millrace sweep` would have left it. */
function sweepDirectory(t: Test, given: readonly Given[], record: object = {}): string {
  const points = given.map(({ eta, lambda, seed = 1 }, i) => ({
    key: `k${i}`,
    settings: { eta, ...(lambda !== undefined && { lambda }) },
    seed,
  }))
  const plan = { millrace: '1', name: 'a', pipeline: 'a.yaml', kernel: 'reference', names: ['eta'], data: [], points }
  const lines = given.flatMap(({ accuracy, f1, error }, i): { readonly key: string }[] => {
    const key = `k${i}`
    const failed = { key, status: 'failed', error, seconds: 1 }
    if (error) return [failed]
    if (accuracy === undefined) return []
    const known = { validation_loss: 1, validation_cost: 2, validation_accuracy: accuracy }
    const final = { epoch: 2, step: 20, ...known, ...(f1 !== undefined && { f1 }) }
    const done = { key, status: 'done', final, seconds: 1 }
    return [done]
  })
  const directory = temporary(t, {
    'sweep.json': JSON.stringify(plan),
    'results.jsonl': lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  })
  for (const { key } of points) {
    mkdirSync(join(directory, 'points', key), { recursive: true })
    if (lines.some((line) => line.key === key))
      writeFileSync(join(directory, 'points', key, 'run.json'), JSON.stringify(record))
  }
  return directory
}

const tableOf = (directory: string, columns?: string[], monitor?: string) => {
  const { columns: head, rows } = settingsTable(settingsFrom(readAttempts([directory]), { monitor }), columns)
  return [
    head.map(({ name }) => name),
    ...rows.map((row) => row.map(({ text, isBest }) => (isBest ? `*${text}` : text))),
  ]
}

t.test('the table has a row for each setting: mean and deviation, the best first, what varies', (t) => {
  const directory = sweepDirectory(t, [
    { eta: 0.1, lambda: 0, seed: 1, accuracy: 0.5 },
    { eta: 0.1, lambda: 0, seed: 2, accuracy: 0.6 },
    { eta: 0.2, lambda: 0, seed: 1, accuracy: 0.7 },
    { eta: 0.2, lambda: 0, seed: 2, accuracy: 0.7 },
  ])
  t.strictSame(tableOf(directory), [
    ['eta', 'validation_loss', 'validation_accuracy', 'runs'],
    ['*0.2', '*1.0000 ± 0.0000', '*70.00 ± 0.00 %', '2'],
    ['0.1', '1.0000 ± 0.0000', '55.00 ± 7.07 %', '2'],
  ])
  t.strictSame(tableOf(directory, ['lambda', 'seed', 'validation_cost'])[1], ['*0', '*1, 2', '*2.0000 ± 0.0000'])
  t.end()
})

t.test('a sweep under way has a table as well: failed and missing points are told', (t) => {
  const directory = sweepDirectory(t, [
    { eta: 0.1, accuracy: 0.5 },
    { eta: 0.2, error: 'it diverged\nat length' },
    { eta: 0.3 },
  ])
  t.strictSame(tableOf(directory), [
    ['eta', 'validation_loss', 'validation_accuracy', 'status'],
    ['*0.1', '*1.0000', '*50.00 %', 'done'],
    ['0.2', '–', '–', 'failed: it diverged'],
    ['0.3', '–', '–', 'missing'],
  ])
  t.strictSame(tableOf(sweepDirectory(t, [{ eta: 0.1 }, { eta: 0.2 }])), [
    ['eta', 'status'],
    ['0.1', 'missing'],
    ['0.2', 'missing'],
  ])
  t.end()
})

t.test('the report has a heat map for two settings, a line for one, and the table', async (t) => {
  const two = sweepDirectory(
    t,
    [0.1, 0.2].flatMap((eta) => [0, 1].map((lambda) => ({ eta, lambda, accuracy: eta + lambda / 2 }))),
  )
  const one = sweepDirectory(
    t,
    [0.1, 0.2, 0.3].map((eta) => ({ eta, accuracy: eta })),
  )
  for (const [directory, alt] of [
    [two, 'A heat map of validation accuracy by eta and lambda'],
    [one, 'accuracy of each split by eta'],
  ] as const) {
    const folder = temporary(t)
    const { files } = await writeReport([directory], { out: join(folder, 'r.html'), tables: join(folder, 'tables') })
    const page = readFileSync(join(folder, 'r.html'), 'utf8')
    t.match(page, alt)
    t.match(page, '<table data-table="settings">')
    t.strictSame(readdirSync(join(folder, 'tables')).sort(), [
      'settings.csv',
      'settings.md',
      'settings.png',
      'settings.svg',
      'settings.tex',
    ])
    t.equal(files.length, 6)
  }
})

t.test('three settings that vary, or none with a result, have a table and no figure', async (t) => {
  for (const directory of [sweepDirectory(t, [{ eta: 0.1 }]), sweepDirectory(t, [{ eta: 1, accuracy: 1 }])]) {
    const out = join(temporary(t), 'r.html')
    await writeReport([directory], { out })
    t.notMatch(readFileSync(out, 'utf8'), '<figure')
  }
})

t.test('sweeps and runs stand in one table; what is neither is told', async (t) => {
  const sweep = sweepDirectory(t, [{ eta: 0.5, accuracy: 0.5 }])
  const run = runDirectory(t, { eta: 0.1 })
  const { rows, varying } = settingsFrom(readAttempts([sweep, run]))
  t.equal(rows.length, 2)
  t.ok(varying.includes('softmax.eta'))
  const wrong = Promise.resolve().then(() => readAttempts([run, join(run, 'nowhere'), join(run, 'run.json')]))
  const [code, message] = await errorOf(wrong)
  t.equal(code, 'ARGUMENTS')
  t.match(message, /nowhere is no run directory: it does not exist\n.*run\.json is no run directory: it is a file/)
})

t.test('a damaged sweep.json is told', async (t) => {
  const cases: readonly [text: string, message: RegExp][] = [
    ['{', /sweep\.json is damaged: /],
    ['null', /sweep\.json is damaged: Invalid input: /],
    ['{"name":"a"}', /sweep\.json is damaged: \w+: Invalid input: /],
  ]
  for (const [text, message] of cases) {
    const directory = temporary(t, { 'sweep.json': text })
    t.match(await errorOf(Promise.resolve().then(() => readAttempts([directory]))), ['ARGUMENTS', message], text)
  }
})

const f1: MetricInfo = { name: 'f1', title: 'F1', unit: 'share', better: 'higher' }
const accuracy: MetricInfo = { split: 'validation', name: 'accuracy', title: 'accuracy', better: 'lower' }
const withF1 = [
  { eta: 0.1, accuracy: 0.3, f1: 0.5 },
  { eta: 0.2, accuracy: 0.1, f1: 0.75 },
  { eta: 0.3, accuracy: 0.2, f1: 0.25 },
]

t.test('direction and unit of a metric are those of run.json, whatever its name', async (t) => {
  const directory = sweepDirectory(t, withF1, { metrics: { f1, validation_accuracy: accuracy } })
  t.strictSame(tableOf(directory, ['eta', 'f1', 'validation_accuracy'], 'f1').slice(1), [
    ['*0.2', '*75.00 %', '*0.1000'],
    ['0.1', '50.00 %', '0.3000'],
    ['0.3', '25.00 %', '0.2000'],
  ])
  t.strictSame(
    tableOf(directory, ['eta']).slice(1),
    [['*0.2'], ['0.3'], ['0.1']],
    'the default monitor has its direction, too',
  )
  const lower = sweepDirectory(t, withF1, { metrics: { f1: { ...f1, better: 'lower' } } })
  t.strictSame(tableOf(lower, ['eta'], 'f1').slice(1), [['*0.3'], ['0.1'], ['0.2']])

  writeFileSync(
    join(directory, 'sweep.json'),
    readFileSync(join(directory, 'sweep.json'), 'utf8').replace('{', '{"monitor":"f1",'),
  )
  const out = join(temporary(t), 'r.html')
  await writeReport([directory], { out })
  const page = readFileSync(out, 'utf8')
  t.match(page, 'Best by f1: <strong>eta 0.2</strong>')
  t.match(page, 'alt="F1 of each split by eta')
})

t.test('a monitor that no point has is told, with the name that was meant', async (t) => {
  const directory = sweepDirectory(t, withF1, { metrics: { f1 } })
  const file = join(directory, 'sweep.json')
  writeFileSync(file, readFileSync(file, 'utf8').replace('{', '{"monitor":"f2",'))
  t.match(readAttempts([directory]).remarks, [
    /: settings are to be compared by "f2", and no point has this metric; did you mean "f1"\?$/,
  ])
})

t.test('a monitor without a direction is an error, in sweeps of version 0.1.0 as well', async (t) => {
  const message = /^the metric "f1" does not say whether higher or lower is better; choose validation_loss, /
  for (const record of [
    {},
    { metrics: { f1: { name: 'f1', title: 'F1' }, validation_loss: { ...f1, name: 'loss' } } },
  ]) {
    const directory = sweepDirectory(t, withF1, record)
    t.throws(() => tableOf(directory, undefined, 'f1'), { code: 'ARGUMENTS' })
  }
  t.throws(() => tableOf(sweepDirectory(t, withF1), undefined, 'f1'), { message })
  t.strictSame(
    settingsFrom(readAttempts([sweepDirectory(t, withF1)]), { monitor: 'f2' }).rows.map(({ isBest }) => isBest),
    [false, false, false],
    'a metric that no run has marks nothing',
  )
})

t.test('runs of several versions stand in one table', async (t) => {
  const metrics = ['epoch,step,f1', '1,10,0.5']
  const old = runDirectory(t, { eta: 0.1, metrics })
  const young = runDirectory(t, { eta: 0.2, metrics: ['epoch,step,f1', '1,10,0.75'], metricInfos: { f1 } })
  const best = (directories: string[]) =>
    settingsFrom(readAttempts(directories), { monitor: 'f1' }).rows.find(({ isBest }) => isBest)!.settings[
      'softmax.eta'
    ]
  t.equal(best([old, young]), 0.2, 'the direction comes from the run that knows it')
  const contrary = runDirectory(t, { eta: 0.3, metrics, metricInfos: { f1: { ...f1, better: 'lower' } } })
  t.throws(() => best([young, contrary]), { message: /does not say whether higher or lower is better/ })
})

t.test('what cannot be read in a sweep is a remark, in the table and on the page', async (t) => {
  const directory = sweepDirectory(t, [{ eta: 0.1, accuracy: 0.5 }, { eta: 0.2 }])
  mkdirSync(join(directory, 'results/x.json'), { recursive: true })
  writeFileSync(join(directory, 'points/k1/run.json'), '{')
  const deep = `{"metrics":${'['.repeat(200_000)}${']'.repeat(200_000)}}`
  writeFileSync(join(directory, 'points/k0/run.json'), deep)
  const { remarks } = readAttempts([directory])
  t.match(remarks, [
    /: results\/x\.json cannot be read: it is a directory, expected a file$/,
    /k1\/run\.json is damaged: /,
    /k0\/run\.json is damaged: it is nested more than 64 deep$/,
  ])
  const out = join(directory, 'report.html')
  await writeReport([directory], { out })
  t.match(readFileSync(out, 'utf8'), 'results/x.json cannot be read')
})

t.test('of settings with the same monitor, the other metrics decide; else all of them are marked', (t) => {
  const best = (...losses: number[]): boolean[] => {
    const runs = losses.map((loss, i) =>
      runDirectory(t, {
        eta: (i + 1) / 10,
        metrics: ['epoch,step,test_loss,test_cost,test_accuracy', `1,10,${loss},${9 - i},0.5`],
      }),
    )
    const { rows } = settingsFrom(readAttempts(runs), { monitor: 'test_accuracy', sort: 'softmax.eta' })
    return rows.map(({ isBest }) => isBest)
  }
  t.strictSame(best(2, 1, 3), [false, true, false], 'the loss decides, the cost does not')
  t.strictSame(best(1, 2, 1), [true, false, true])
  t.end()
})

t.test('which stages a pipeline has is told by its name, if it tells that', (t) => {
  const varying = (...given: readonly (readonly [name: string, training: string])[]) =>
    settingsFrom(readAttempts(given.map(([name, use]) => runDirectory(t, { name, training: `use: ${use}` })))).varying
  const [softmax, hinge] = ['gradient-step/softmax', 'gradient-step/hinge']
  t.strictSame(varying(['a', softmax], ['b', hinge]), ['name'])
  t.strictSame(varying(['a', softmax], ['a', hinge]), ['softmax.use', 'hinge.use'])
  t.strictSame(varying(['a', `${softmax}, id: model`], ['b', `${hinge}, id: model`]), ['name', 'model.use'])
  t.strictSame(varying(['a', softmax], ['a', hinge], ['b', hinge]), ['name', 'softmax.use', 'hinge.use'])
  t.end()
})

t.test('options that have their default in all runs are left out', async (t) => {
  const stages = await builtInStages()
  const training = (more: string): string => `use: gradient-step/softmax, with: { eta: 0.1${more} }`
  const varying = (...options: string[]): readonly string[] => {
    const runs = options.map((more) => runDirectory(t, { training: training(more) }))
    return settingsFrom(readAttempts(runs, stages)).varying
  }
  t.strictSame(varying('', ', lambda: 0'), [])
  t.strictSame(varying('', ', lambda: 1'), ['softmax.lambda'])
  const [a, b] = ['', ', lambda: 1'].map((more) => runDirectory(t, { training: training(more) }))
  t.strictSame(
    settingsFrom(readAttempts([a!, b!], stages), { sort: 'softmax.lambda' }).rows.map(
      ({ settings }) => settings['softmax.lambda'],
    ),
    [0, 1],
    'a run that does not set it has the default',
  )
})
