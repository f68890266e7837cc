import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline } from '../../dist/index.js'
import { formatPoint, planSweep } from '../../dist/sweep/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { pipeline } from './sweeps.js'

const kernel = 'reference'

t.test('a plan has a point for each setting and seed, with what it takes to run it', async (t) => {
  const block = 'sweep:\n  grid: { eta: [0.1, 0.2] }\n  repeat: { seeds: [5, 6] }\n  monitor: test_loss\n'
  const file = join(temporary(t, { 'a.yaml': pipeline + block }), 'a.yaml')
  const plan = await planSweep(file, { kernel, set: ['epochs=3'] })
  t.match(plan, { name: 'small', kernel, monitor: 'test_loss', names: ['eta'] })
  t.strictSame(plan.points.map(formatPoint), ['eta=0.1 seed=5', 'eta=0.1 seed=6', 'eta=0.2 seed=5', 'eta=0.2 seed=6'])
  t.strictSame(plan.points[0]!.set, ['epochs=3', 'eta=0.1'])
  t.equal(new Set(plan.points.map(({ key }) => key)).size, 4)
  t.match(plan.data, [{ path: /digits\.csv$/, bytes: Number, sha256: /^[0-9a-f]{64}$/ }])
  t.strictSame(await planSweep(file, { kernel, set: ['epochs=3'] }), plan, 'planned again it is the same')
})

t.test('every point is checked before anything runs; problems name the place and the point', async (t) => {
  const block = [
    'sweep:',
    '  grid:',
    '    eta: [0.1, -1]',
    '    lamda: [0, 1]',
    '  list:',
    '    - { model.lambda: x, mode.eta: 1 }',
  ].join('\n')
  const folder = temporary(t, { 'a.yaml': pipeline + block })
  const [code, message] = await errorOf(planSweep(join(folder, 'a.yaml'), { kernel }))
  t.equal(code, 'DEFINITION')
  const lines = message.replaceAll(/\S*a\.yaml/g, 'a.yaml').split('\n')
  t.strictSame(lines, [
    'a.yaml:22:16  stages[4] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got -1 (point eta=-1 lamda=0 seed=1, and 1 more)',
    'a.yaml:23:5  no var named "lamda"; did you mean "lambda"? (point eta=0.1 lamda=0 seed=1, and 3 more)',
    'a.yaml:25:23  stages[4] gradient-step/softmax: lambda: expected a non-negative number, got "x" (point model.lambda=x mode.eta=1 seed=1)',
    'a.yaml:25:26  no stage with id "mode"; did you mean "model"? (point model.lambda=x mode.eta=1 seed=1)',
  ])
})

t.test('what every point has is told without a point, and a setting may complete a pipeline', async (t) => {
  const text = pipeline.replace('"${lambda}"', '"${lambda}", lamda: 1').replace(' eta: "${eta}",', '')
  const file = join(temporary(t, { 'a.yaml': text }), 'a.yaml')
  const [, message] = await errorOf(planSweep(file, { kernel, grid: ['model.eta=0.1,0.2'] }))
  t.match(
    message,
    /a\.yaml:13:34 {2}stages\[4\] gradient-step\/softmax: unknown option "lamda"; did you mean "lambda"\?$/,
  )
  writeFileSync(file, text.replace(', lamda: 1', ''))
  t.equal((await planSweep(file, { kernel, grid: ['model.eta=0.1,0.2'] })).points.length, 2)
})

t.test('the key tells points apart by all that decides the result', async (t) => {
  const stage = `import { defineStage, wire, z } from 'millrace/stage'
    export default defineStage({ name: 'same', summary: 'Passes on.', options: z.strictObject({}),
      inputs: { batches: wire.batch }, outputs: { batches: wire.batch }, example: '', run: () => (batches) => batches })`
  const text = pipeline.replace('- use: shuffle/rows', '- use: ./same.mjs')
  const folder = temporary(t, { 'a.yaml': pipeline, 'b.yaml': text, 'same.mjs': stage })
  const key = async (file: string, options = {}) =>
    (await planSweep(join(folder, file), { kernel, grid: ['eta=0.1'], ...options })).points[0]!.key
  const first = await key('a.yaml')
  t.equal(await key('a.yaml', { set: ['rows.dropLast=false'] }), first, 'a default')
  t.equal(await key('a.yaml', { grid: ['model.eta=0.1'] }), first, 'another name for the same option')
  const others = [
    await key('a.yaml', { set: ['epochs=3'] }),
    await key('a.yaml', { seed: 2 }),
    await key('a.yaml', { kernel: 'wasm' }),
    await key('b.yaml'),
  ]
  writeFileSync(join(folder, 'same.mjs'), `${stage}\n`)
  others.push(await key('b.yaml'))
  t.equal(new Set([first, ...others]).size, 6)
})

t.test('data that cannot be read is told before anything runs', async (t) => {
  const text = pipeline.replace('- use: load/digits', '- use: load/csv\n    with: { path: nowhere.csv }')
  const file = join(temporary(t, { 'a.yaml': text }), 'a.yaml')
  const [code, message] = await errorOf(planSweep(file, { kernel, grid: ['eta=1'] }))
  t.equal(code, 'DATA')
  t.match(
    message,
    /a\.yaml:6:19 {2}stages\[0\] load\/csv: cannot read nowhere\.csv: no such file or directory; looked in the current folder/,
  )
})

t.test('a sweep is not inherited, and a single run has no use for it', async (t) => {
  const block = 'sweep: { grid: { eta: [0.1, 0.2] } }\n'
  const folder = temporary(t, { 'a.yaml': pipeline + block, 'b.yaml': 'extends: a.yaml\n' })
  t.match((await errorOf(planSweep(join(folder, 'b.yaml'), { kernel })))[1], /^there is nothing to sweep/)
  t.notMatch((await Pipeline.load(join(folder, 'a.yaml'))).toYAML(), 'sweep')
})

t.test('mistakes of the block are told when the pipeline is read, too', async (t) => {
  const file = join(temporary(t, { 'a.yaml': `${pipeline}sweep: { gird: 1 }\n` }), 'a.yaml')
  t.match((await errorOf(Pipeline.load(file)))[1], /a\.yaml:20:10 {2}sweep: unknown key "gird"; did you mean "grid"\?$/)
})

t.test('a plan that would be too large to be read again is refused', async (t) => {
  const file = join(temporary(t, { 'a.yaml': pipeline.replace('vars: {', 'vars: { title: a,') }), 'a.yaml')
  const grid = [`title=${'x'.repeat(800_000)}`]
  t.equal((await planSweep(file, { kernel, grid, seeds: '2' })).points.length, 2)
  t.match(await errorOf(planSweep(file, { kernel, grid, seeds: '90' })), [
    'DEFINITION',
    /^sweep: expected a plan \(sweep\.json\) of at most 64 MiB, got more for 90 points; vary fewer settings/,
  ])
})
