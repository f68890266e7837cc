import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { checkCommand } from '../../dist/cli/check.js'
import { overfitCommand, smokeCommand } from '../../dist/cli/run-trial.js'
import { Pipeline } from '../../dist/index.js'
import { errorOf, temporary } from '../stages/harness.js'
import { printed } from './printed.js'

const kernel = 'reference' as const
const rows = Array.from({ length: 200 }, (_, i) => `${i % 2 ? 1 : -1},${(i * 37) % 11},${i % 2 ? 'b' : 'a'}`).join('\n')

const definition = (path = 'data.csv', more = '') => `
vars: { eta: 0.1 }
stages:
  - { use: load/csv, with: { path: ${path}, header: false, fractions: { train: 0.5, test: 0.5 } } }
  - { id: examples, use: normalize/standardize }
  - { use: batch/rows, with: { size: 10, epochs: 30 } }
  - { use: shuffle/rows }
  - { id: model, use: gradient-step/softmax, with: { eta: "\${eta}" } }
  - { id: metrics, use: evaluate/classification, from: { parameters: model, examples: examples } }
  - { use: sink/csv }
  - { use: sink/predictions, from: { parameters: model, examples: examples }, with: { split: test } }
${more}`

/** A folder with the pipeline, and its path. */
function written(t: Parameters<typeof temporary>[0], data = rows, more = '') {
  const folder = temporary(t)
  writeFileSync(join(folder, 'data.csv'), data)
  writeFileSync(join(folder, 'p.yaml'), definition(join(folder, 'data.csv'), more))
  return { folder, file: join(folder, 'p.yaml') }
}

test('check reads the data, makes a few steps, and says how many there are', async (t) => {
  const { folder, file } = written(t)
  const out = join(folder, 'runs')
  const check = (more: object) => printed((output) => checkCommand(file, { set: [], out, kernel, ...more }, output))
  const found = JSON.parse(await check({ json: true }))
  t.match(found, { pipeline: 'p', stages: 8, steps: 300, epochs: 30 })
  t.ok(found.secondsPerStep > 0 && found.secondsPerEvaluation > 0 && found.memory > 1e6 && found.free > 0)
  t.match(
    await check({}),
    /^p: sound, 8 stages\ncsv: 200 rows × 2 features [\s\S]*\n300 steps of .* ms, in 30 epochs: .* of training\n/,
  )
  t.match(await check({}), /\ntables in flight, at most: \d in [^\n]+\n/)
  const wire = (stage: string) => found.wires.find((each: { stage: string }) => each.stage === stage)
  t.match(wire('csv'), { port: 'examples', type: 'examples', rows: 200, width: 2 })
  t.ok(wire('csv').bytes >= 4 * 2 * wire('csv').rowsPerTable)
  t.match(wire('rows'), { type: 'batch', tables: 20 })
  t.notOk(existsSync(out), 'nothing is left')
  t.match(await errorOf(check({ out: join(folder, 'p.yaml/run') })), [
    'WRITE',
    /cannot write in .*p\.yaml: a part of the path/,
  ])
  t.match(await errorOf(check({ allowAbsolutePaths: true })), ['ARGUMENTS', /writes into a temporary directory alone/])
  t.match(await errorOf(check({ set: ['eta=x'] })), ['DEFINITION', /eta/])
})

test('what the run would end with, check and smoke say with the line of the stage', async (t) => {
  const { file } = written(t, `${rows}\nx,1,a`)
  const pipeline = await Pipeline.load(file)
  const flags = { set: [], kernel, json: true }
  for (const command of [
    (output: never) => checkCommand(file, flags, output),
    (output: never) => smokeCommand(pipeline, flags, output),
  ])
    t.match(await errorOf(printed(command as never)), ['DATA', /p\.yaml:4:5 {2}stages\[0\] load\/csv: .*data\.csv:201/])
  t.notOk(existsSync('runs/p-001'))
})

test('smoke runs every stage, with few rows and epochs', async (t) => {
  const { folder, file } = written(t)
  const pipeline = await Pipeline.load(file)
  const smoke = JSON.parse(await printed((output) => smokeCommand(pipeline, { kernel, json: true }, output)))
  t.match(smoke, { passed: true, steps: 8, rows: 40, undrawn: [] })
  t.strictSame(smoke.files.sort(), ['figures/predictions.csv', 'metrics.csv', 'pipeline.yaml', 'run.json'])
  t.strictSame(readdirSync(folder).sort(), ['data.csv', 'p.yaml'])
  t.match(
    await printed((output) => smokeCommand(pipeline, { kernel }, output)),
    /^p: 8 stages ran, 8 steps with at most 40 rows/m,
  )
})

test('overfit passes if the model knows the rows, and only then', async (t) => {
  const { file } = written(t)
  const overfit = async (set: string[]) =>
    printed(async (output) => overfitCommand(await Pipeline.load(file, { set }), 12, { kernel }, output))
  t.match(await overfit([]), 'the model knows 100.00 % of 12 rows of train after 60 steps: it can learn\n')
  const noise = rows.replaceAll(/^-?1,(.*),.$/gm, '0,0,$1')
  const { file: other } = written(t, noise)
  const hopeless = printed(async (output) => overfitCommand(await Pipeline.load(other), 12, { kernel }, output))
  t.match(await errorOf(hopeless), [
    'CHECK',
    /the model knows \d+\.\d\d % of 12 rows of train after 60 steps .* knows them all/,
  ])
  const loading = join(file, '../load.yaml')
  writeFileSync(loading, 'stages:\n  - { use: load/digits }\n  - { use: sink/arrow }\n')
  const none = printed(async (output) => overfitCommand(await Pipeline.load(loading), 5, { kernel }, output))
  t.match(await errorOf(none), ['ARGUMENTS', /--overfit needs a stage that trains on batches/])
})
