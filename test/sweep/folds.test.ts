import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../dist/index.js'
import { readAttempts } from '../../dist/report/attempts.js'
import { settingsFrom, settingsTable } from '../../dist/report/settings-table.js'
import { formatPoint, planSweep, pointDirectory } from '../../dist/sweep/index.js'
import { Definitions } from '../../dist/sweep/queue/definitions.js'
import { Folders } from '../../dist/sweep/queue/folders.js'
import { Tasks, taskSchema } from '../../dist/sweep/queue/task.js'
import { errorOf, temporary } from '../stages/harness.js'
import { filesOf, pipeline, runSweepIn } from './sweeps.js'

const kernel = 'reference'
const split = '  - id: split\n    use: split/rows\n    with: { split: all, folds: 5, to: validation, stratify: true }\n'
const divided = pipeline
  .replace('load/digits\n', `load/digits\n    with: { fractions: { all: 0.2 } }\n${split}`)
  .replace('use: normalize/standardize', 'use: normalize/standardize\n    with: { fit: all }')
  .replace('size: 100,', 'split: all, size: 100,')

function fileOf(t: Test, block: string, text = divided): string {
  return join(temporary(t, { 'a.yaml': `${text}sweep:\n${block}` }), 'a.yaml')
}

t.test('each setting runs with each fold, and with each seed', async (t) => {
  const file = fileOf(t, '  grid: { eta: [0.1, 0.2] }\n  repeat: { folds: 3, seeds: [5, 6] }\n')
  const { points, names } = await planSweep(file, { kernel })
  t.equal(points.length, 12)
  t.strictSame(names, ['eta'])
  t.strictSame(points.slice(0, 4).map(formatPoint), [
    'eta=0.1 seed=5 fold=1',
    'eta=0.1 seed=5 fold=2',
    'eta=0.1 seed=5 fold=3',
    'eta=0.1 seed=6 fold=1',
  ])
  t.strictSame(points[1]!.set, ['eta=0.1', 'split.folds=3', 'split.fold=2'])
  t.equal(new Set(points.map(({ key }) => key)).size, 12)
  const flags = await planSweep(fileOf(t, '  grid: { eta: [0.1] }\n'), { kernel, folds: 4 })
  t.strictSame(
    flags.points.map(({ fold }) => fold),
    [1, 2, 3, 4],
  )
})

t.test('a fold is an ordinary run, and the table has the mean over the folds', async (t) => {
  const file = fileOf(t, '  grid: { eta: [0.02] }\n  repeat: { folds: 3 }\n  monitor: validation_accuracy\n')
  const directory = join(temporary(t), 'sweep')
  const { plan, result } = await runSweepIn(directory, file, {}, { jobs: 1 })
  t.match(result, { done: 3, failed: 0 })
  const point = plan.points[1]!
  const alone = join(temporary(t), 'run')
  await run(await Pipeline.load(file, { set: point.set, seed: point.seed }), { out: alone, kernel })
  t.strictSame(filesOf(alone), filesOf(pointDirectory(directory, point)), 'the same bytes')
  const settings = settingsFrom(readAttempts([directory]))
  const table = settingsTable(settings)
  t.equal(table.caption, '1 setting, mean ± standard deviation over the folds')
  t.match(settings.rows, [{ attempts: [{ fold: 1 }, { fold: 2 }, { fold: 3 }] }])
  const { mean, deviation } = settings.rows[0]!.final.get('validation_accuracy')!
  const each = settings.rows[0]!.attempts.map(({ final }) => final!.validation_accuracy!)
  t.ok(Math.abs(mean - each.reduce((a, b) => a + b) / 3) < 1e-12)
  t.ok(deviation! > 0 && new Set(each).size > 1, 'the folds differ')
  t.match(settingsTable(settings, ['fold', 'seed']).rows[0], [{ text: '1, 2, 3' }, { text: '1' }])
})

t.test('a queue carries the fold', async (t) => {
  const tasks = new Tasks()
  const plan = await planSweep(fileOf(t, '  repeat: { folds: 2 }\n'), { kernel, onPoint: tasks.note })
  const [, second] = tasks.of(plan, '/artifacts').map((task) => taskSchema.parse(JSON.parse(JSON.stringify(task))))
  const definitions = new Definitions({}, new Folders({}))
  const point = definitions.pointOf(second!)
  t.match(point, { fold: 2, key: plan.points[1]!.key })
  t.match((await definitions.check(point, second!)).graph.nodes.find(({ id }) => id === 'split')?.options, { fold: 2 })
})

t.test('what is wrong is told at its place', async (t) => {
  const second = divided.replace(split, split + split.replace('id: split', 'id: again').replace('all,', 'train,'))
  const cases: [block: string, text: string, message: RegExp][] = [
    ['  repeat: { folds: 1 }\n', divided, /a\.yaml:\d+:\d+ {2}sweep\.repeat\.folds: expected an integer .*, got 1$/],
    ['  repeat: {}\n', divided, /sweep\.repeat: expected seeds, folds or both, got \{\}$/],
    [
      '  repeat: { seeds: 2, stage: split }\n',
      divided,
      /sweep\.repeat: the stage is that of the folds, expected folds/,
    ],
    ['  repeat: { folds: 3, stage: splt }\n', divided, /sweep\.repeat\.stage: there is no stage "splt"; stages: /],
    [
      '  repeat: { folds: 3 }\n',
      pipeline,
      /a\.yaml:\d+:\d+ {2}sweep\.repeat\.folds: no stage has the option `folds`; .*split\/rows/,
    ],
    [
      '  repeat: { folds: 3 }\n',
      second,
      /sweep\.repeat\.folds: the stages split and again have the option `folds`; say which one/,
    ],
    ['  repeat: { folds: 3, stage: model }\n', divided, /gradient-step\/softmax: unknown option "folds"/],
  ]
  for (const [block, text, message] of cases) {
    const [code, found] = await errorOf(planSweep(fileOf(t, block, text), { kernel }))
    t.equal(code, 'DEFINITION', block)
    t.match(found, message)
  }
})
