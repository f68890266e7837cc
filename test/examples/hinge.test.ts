import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { tableFromIPC } from 'apache-arrow'
import { parse } from 'csv-parse/sync'
import t, { type Test } from 'tap'
import type { RunRecord } from '../../dist/index.js'
import { arraysOf, modelOf } from '../../dist/pipeline/stage-kit.js'
import { millrace } from '../cli/in-process.js'

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url))
const source = readFileSync(path('examples/hinge.js'), 'utf8')
const definition = readFileSync(path('examples/hinge.yaml'), 'utf8')

/** The example in a folder of its own, with some of its code replaced. */
function changed(t: Test, code: string, replacement: string): string {
  t.equal(source.split(code).length, 2, `the example has "${code}" once`)
  return t.testdir({
    'hinge.js': source.replace(code, replacement),
    'hinge.yaml': definition.replace('../configs/digits.yaml', path('configs/digits.yaml')),
  })
}

t.test("a learner of one's own is one file of less than 100 lines", async (t) => {
  t.ok(source.trimEnd().split('\n').length < 100)
})

t.test('it is trained, evaluated by its own metrics and stopped early on one of them', async (t) => {
  const cwd = t.testdir()
  const { code, stdout, stderr } = await millrace(
    ['run', path('examples/hinge.yaml'), '--kernel', 'reference', '--out', 'run'],
    cwd,
  )
  t.equal(code, 0, stderr)
  t.match(stdout, /\naccuracy: train \d+\.\d+ %, validation \d+\.\d+ %, test \d+\.\d+ %\nclear lead: train /)
  const read = (name: string) => readFileSync(join(cwd, 'run', name))
  const rows: Record<string, string>[] = parse(read('metrics.csv'), { columns: true })
  t.strictSame(Object.keys(rows[0]!), [
    'epoch',
    'step',
    ...['train', 'validation', 'test'].flatMap((split) =>
      ['loss', 'cost', 'accuracy', 'clear'].map((metric) => `${split}_${metric}`),
    ),
  ])
  const values = rows.map(({ validation_clear }) => Number(validation_clear))
  t.ok(rows.length < 60, 'stopped early')
  t.equal(values.length - 1 - values.indexOf(Math.max(...values)), 5, 'five evaluations without a larger value')
  t.ok(Number(rows.at(-1)!.test_accuracy) > 0.9)
  t.ok(Number(rows.at(-1)!.train_loss) < Number(rows[0]!.train_loss) / 4)

  const { W } = arraysOf(modelOf(tableFromIPC(read('parameters.arrow'))))
  const penalty = 0.0005 * (W as Float64Array).reduce((sum, w) => sum + w * w, 0)
  const { train_loss, train_cost } = rows.at(-1)!
  t.ok(Math.abs(Number(train_cost) - Number(train_loss) - penalty) < 1e-12, 'the cost is that of the learner')

  const record: RunRecord = JSON.parse(String(read('run.json')))
  t.match(record.notes.join('\n'), /^patience: stopped the run: validation_clear has not become better for 5 eval/m)
  const { steps, train, prepare, finish, total } = record.timings!
  t.equal(steps, Number(rows.at(-1)!.step))
  t.ok(
    [train, prepare, finish].every((time) => time > 0),
    'times of a stage that uses no kernel',
  )
  t.ok(Math.abs(prepare + train + finish - total) < 1e-5)
  t.strictSame(record.metrics!.validation_clear, {
    split: 'validation',
    name: 'clear',
    title: 'clear lead',
    unit: 'share',
    better: 'higher',
  })
  const model = modelOf(tableFromIPC(read('parameters.arrow')))
  t.strictSame([model.learner, model.options], ['hinge', { margin: 1 }])
})

t.test('its gradient passes the check, against differences of its own cost', async (t) => {
  const { code, stdout, stderr } = await millrace(
    ['check-gradient', path('examples/hinge.yaml'), '--features', '10'],
    t.testdir(),
  )
  t.strictSame([code, stderr], [0, ''])
  for (const array of ['W', 'b'])
    for (const method of ['forward', 'centred'])
      t.match(stdout, new RegExp(`^step +0\\.0005 +${array} +${method} .* pass$`, 'm'))
  t.match(stdout, /^all \d+ checks pass$/m)
})

t.test('a wrong gradient of it is found, by array and index', async (t) => {
  const cwd = changed(t, 'push(k, 1)', 'push(k, 1.5)')
  const { code, stdout, stderr } = await millrace(['check-gradient', 'hinge.yaml', '--features', '5'], cwd)
  t.equal(code, 1)
  const of = 'hinge\\.yaml:8:5 {2}stages\\[4\\] \\./hinge\\.js: '
  t.match(stderr, new RegExp(`^${of}W\\[\\d, \\d+\\]: the gradient of the step is \\S+ \\(lambda 0\\.0005\\), `, 'm'))
  t.match(stderr, new RegExp(`^${of}b\\[\\d\\]: the gradient of the step is \\S+ \\(lambda 0\\.0005\\), `, 'm'))
  t.match(stderr, /W\[\d, \d+\]: the gradient of the reference kernel is \S+ \(lambda 0\),/)
  t.match(stdout, /^step +0\.0005 +W +centred .* fail$/m)
  t.notMatch(stdout, /checks pass/)
})

t.test('a learner whose parameters are always float32 is not called right: its step was not checked', async (t) => {
  const cwd = changed(t, "kernels.precision === 'float64' ? Float64Array : Float32Array", 'Float32Array')
  const { code, stdout, stderr } = await millrace(['check-gradient', 'hinge.yaml', '--features', '5'], cwd)
  t.equal(code, 1)
  t.match(
    stderr,
    /^hinge\.yaml:8:5 {2}stages\[4\] \.\/hinge\.js: the gradient of its step was not checked, so the check does not pass: its parameters are float32, expected float64 with the reference kernel \(allocate them by context\.kernels\.precision\)$/m,
  )
  for (const array of ['W', 'b']) t.match(stdout, new RegExp(`^step +0\\.0005 +${array} +none .* unchecked$`, 'm'))
  t.match(stdout, /, 2 could not be made$/m)
  t.match(stdout, /^note: check-gradient: the training step itself was not checked: its parameters are float32/m)

  const { stdout: json } = await millrace(['check-gradient', 'hinge.yaml', '--features', '2', '--json'], cwd)
  const { passed, checks } = JSON.parse(json)
  t.equal(passed, false)
  t.match(checks[0], { gradient: 'step', array: 'W', method: 'none', h: null, count: 0, verdict: 'unchecked' })
})

/** A training stage that emits arrays named like those of softmax, which are not. */
const emitting = (declared: string) => `import { softmax } from 'millrace/learners'
import { defineStage, layoutOf, parametersTables, positionOf, wire, widthOf, z } from 'millrace/stage'
import { map } from 'rxjs'
export default defineStage({
  name: 'mine', summary: 'Trains.', options: z.strictObject({}), inputs: { batches: wire.batch },
  outputs: { parameters: wire.parameters }, example: '- use: ./mine.js', ${declared}
  run: () => (batches) => {
    let emit
    return batches.pipe(map((batch) => {
      const { shape, classes } = layoutOf(batch)
      const features = widthOf(shape)
      emit ??= parametersTables({ learner: 'hinge', options: {}, shape, classes, lambda: 0, arrays: [
        { name: 'W', shape: [classes.length, features], values: new Float64Array(classes.length * features) },
        { name: 'b', shape: [classes.length], values: new Float64Array(classes.length) },
      ] })
      return emit(positionOf(batch), 0.1)
    }))
  },
})
`
const mine = `stages:
  - { id: examples, use: load/digits }
  - { use: batch/rows, with: { size: 100, epochs: 1 } }
  - { id: model, use: ./mine.js }
  - { use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
`

t.test('arrays named W and b are never scored as softmax: without a learner there is no training', async (t) => {
  const cwd = t.testdir({ 'mine.js': emitting(''), 'mine.yaml': mine })
  for (const command of [
    ['run', 'mine.yaml'],
    ['validate', 'mine.yaml'],
    ['check-gradient', 'mine.yaml'],
  ]) {
    const { code, stderr } = await millrace(command, cwd)
    t.equal(code, 2, command.join(' '))
    t.match(
      stderr,
      'mine.yaml:5:5  stages[3] evaluate/classification: the parameters come from a stage that names no learner, so they cannot be scored; give that stage a `learner` (see examples/hinge.js)\n',
    )
  }
  t.strictSame(readdirSync(cwd).sort(), ['mine.js', 'mine.yaml'], 'nothing was begun')
})

t.test('parameters of another learner than the stage declares are refused when the first arrive', async (t) => {
  const cwd = t.testdir({ 'mine.js': emitting('learner: softmax,'), 'mine.yaml': mine })
  const { code, stderr } = await millrace(['run', 'mine.yaml', '--out', 'run', '--quiet'], cwd)
  t.equal(code, 1)
  t.match(stderr, /^mine\.yaml:5:5 {2}stages\[3\] evaluate\/classification: .*"hinge"/)
  t.equal(existsSync(join(cwd, 'run/metrics.csv')) && String(readFileSync(join(cwd, 'run/metrics.csv'))), '')
})
