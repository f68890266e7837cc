import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { parse } from 'csv-parse/sync'
import t from 'tap'
import { Pipeline } from '../../dist/index.js'
import { type GradientCheck, gradientChecks } from '../../dist/stages/check/table.js'
import { millrace } from './in-process.js'

const data = process.env.MILLRACE_DATA

/** A training stage of a user's own; `spoil` may change the gradient `dW` (`[classes, width]`) and `db`. */
const trainer = (spoil: string) => `
import { softmax } from 'millrace/learners'
import { defineStage, layoutOf, parametersTables, positionOf, kernelRows, wire, z } from 'millrace/stage'
import { map } from 'rxjs'

export default defineStage({
  name: 'mine',
  summary: 'Trains in a way of its own.',
  options: z.strictObject({ eta: z.number().positive(), lambda: z.number() }),
  inputs: { rows: wire.batch },
  outputs: { model: wire.parameters },
  learner: softmax,
  example: '- use: ./mine.js\\n  with: { eta: 0.1, lambda: 0 }',
  run: ({ eta, lambda }, { kernels, random }) => (batches) => {
    let network, emit, width
    return batches.pipe(
      map((batch) => {
        if (!network) {
          const { shape, classes } = layoutOf(batch)
          width = shape.reduce((a, b) => a * b)
          network = kernels.network({ features: width, layers: [{ units: classes.length }], loss: 'cross-entropy' })
          const draw = random('init')
          const { W, b } = network.read()
          network.load({ W: W.map(() => 0.01 * draw.normal()), b })
          const arrays = [
            { name: 'W', shape: [classes.length, width], values: W },
            { name: 'b', shape: [classes.length], values: b },
          ]
          emit = parametersTables({ learner: 'softmax', options: {}, shape, classes, lambda, arrays })
        }
        network.accumulate(kernelRows(batch))
        const { W: dW, b: db } = network.gradient(lambda).arrays
        const { W, b } = network.read()
        ${spoil}
        network.load({ W: W.map((w, i) => w - eta * dW[i]), b: b.map((w, k) => w - eta * db[k]) })
        return emit(positionOf(batch), eta)
      }),
    )
  },
})
`

const digits = `name: mine
stages:
  - use: load/digits
  - use: normalize/standardize
    with: { fit: train }
  - use: batch/rows
    with: { size: 32, epochs: 3 }
  - id: shuffle
    use: shuffle/rows
  - use: ./mine.js
    with: { eta: 0.1, lambda: 0.01 }
  - use: sink/parameters
`

t.test('check-gradient shows a table, says what was sampled, exits 0 and leaves nothing behind', async (t) => {
  const cwd = t.testdir()
  const { code, stdout, stderr } = await millrace(
    ['check-gradient', 'digits', '--examples', '20', '--features', '7'],
    cwd,
  )
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(
    stdout,
    'digits: stages[4] gradient-step/softmax (model)\n20 examples, 80 of 650 parameters: 70 of 640 of W, sampled; all 10 of b\n',
  )
  t.match(
    stdout,
    /^gradient +lambda +array +against +h +max error +mean +max relative +mean +worst +threshold +verdict$/m,
  )
  for (const gradient of ['step +0\\.0005', 'reference +0', 'reference +0\\.0005'])
    for (const array of ['W', 'b'])
      t.match(
        stdout,
        new RegExp(`^${gradient} +${array} +centred +1e-\\d .* +\\[[\\d, ]+\\] +1e-6 absolute +pass$`, 'm'),
      )
  t.match(stdout, /^wasm +0\.0005 +W +reference .* 1e-5 relative +pass$/m)
  t.match(stdout, /^h +W forward +W centred +b forward +b centred$/m)
  t.match(stdout, /^all \d+ checks pass$/m)
  t.strictSame(readdirSync(cwd), [])
})

t.test('--all checks every parameter, --json is for programs', async (t) => {
  const { code, stdout } = await millrace(
    ['check-gradient', 'digits', '--all', '--examples', '10', '--json'],
    t.testdir(),
  )
  t.equal(code, 0)
  const { pipeline, seed, passed, notes, checks } = JSON.parse(stdout)
  t.strictSame([pipeline, seed, passed], ['digits', 1, true])
  t.ok(Array.isArray(notes))
  t.match(checks[0], {
    gradient: 'step',
    lambda: 0.0005,
    array: 'W',
    method: 'forward',
    h: 0.1,
    examples: 10,
    count: 640,
    size: 640,
    max_absolute_error: Number,
    mean_absolute_error: Number,
    max_relative_error: Number,
    mean_relative_error: Number,
    worst: [Number, Number],
    analytic: Number,
    expected: Number,
    threshold: 1e-6,
    verdict: null,
  })
})

t.test('the same seed gives the same table', async (t) => {
  const args = ['check-gradient', 'digits', '--seed', '3', '--examples', '5', '--features', '2', '--json']
  const [first, second] = [await millrace(args, t.testdir()), await millrace(args, t.testdir())]
  t.equal(first.stdout, second.stdout)
  t.match(JSON.parse(first.stdout), { seed: 3, passed: true })
})

t.test('a wrong gradient exits 1 and names the stage, its line, the array and the index', async (t) => {
  const cwd = t.testdir({ 'mine.yaml': digits, 'mine.js': trainer('dW[3 * width + 17] += 1e-3') })
  const { code, stdout, stderr } = await millrace(['check-gradient', 'mine.yaml'], cwd)
  t.equal(code, 1)
  t.match(
    stderr,
    /^mine\.yaml:10:5 {2}stages\[4\] \.\/mine\.js: W\[3, 17\]: the gradient of the step is \S+ \(lambda 0\.01\), centred differences \(h = \S+\) give \S+; the error is 1\.0e-3 absolute, allowed 0\.000001$/m,
  )
  t.match(stdout, /^step .* \[3, 17\] +1e-6 absolute +fail$/m)
  t.match(stdout, /^2 of \d+ checks fail$/m)
  t.match(stdout, /^step +0\.01 +b +centred .* pass$/m)
})

t.test('a gradient that is wrong all over is caught, and --json says so too', async (t) => {
  const spoil = 'for (let i = 0; i < dW.length; i++) dW[i] -= lambda * W[i]'
  const cwd = t.testdir({ 'mine.yaml': digits, 'mine.js': trainer(spoil) })
  const { code, stdout } = await millrace(['check-gradient', 'mine.yaml', '--json', '--features', '5'], cwd)
  t.equal(code, 1)
  const { passed, checks } = JSON.parse(stdout)
  t.equal(passed, false)
  t.strictSame(
    (checks as GradientCheck[])
      .filter(({ verdict }) => verdict === 'fail')
      .map(({ gradient, array, method }) => `${gradient} ${array} ${method}`),
    ['step W forward', 'step W centred'],
  )
})

t.test(
  'a training stage of a user passes where it is right; --out keeps the table as CSV, JSON and Arrow beside a pipeline that checks it again',
  async (t) => {
    const cwd = t.testdir({ 'mine.yaml': digits, 'mine.js': trainer('') })
    const { code, stdout } = await millrace(['check-gradient', 'mine.yaml', '--features', '3', '--out', 'check'], cwd)
    t.equal(code, 0)
    t.match(
      stdout,
      /^mine: stages\[4\] \.\/mine\.js \(mine\)\n100 examples, 40 of 650 parameters: 30 of 640 of W, sampled; all 10 of b\n/,
    )
    t.match(stdout, /\nfiles in check: gradient-check\.csv, \.json, \.arrows, \.svg\n$/)
    const read = (name: string) => readFileSync(join(cwd, 'check', name))
    t.match(read('gradient-check.svg').toString(), 'W, centred')
    const checks = gradientChecks(tableFromIPC(read('gradient-check.arrows')))
    t.strictSame(JSON.parse(String(read('gradient-check.json'))).checks, checks)
    const [first, ...others] = parse(read('gradient-check.csv'), { columns: true }) as Record<string, string>[]
    t.equal(others.length, checks.length - 1)
    t.strictSame(Object.keys(first!), Object.keys(checks[0]!))
    t.equal(Number(first!.max_absolute_error), checks[0]!.max_absolute_error)
    t.equal(first!.worst, checks[0]!.worst.join(' '))
    t.equal((await Pipeline.load(join(cwd, 'check', 'pipeline.yaml'), { plugins: cwd })).name, 'mine')
    const again = await millrace(['check-gradient', 'mine.yaml', '--out', 'check'], cwd)
    t.equal(again.code, 2)
    t.match(again.stderr, /--out check: a run lies there already/)
    t.ok(existsSync(join(cwd, 'check', 'run.json')))
  },
)

t.test('what cannot be checked exits 2 and says why', async (t) => {
  const cwd = t.testdir({
    'none.yaml': 'stages:\n  - use: load/digits\n  - use: batch/rows\n    with: { size: 3, epochs: 1 }\n',
  })
  for (const [args, message] of [
    [['none.yaml'], /none: no stage turns batches into parameters: there is no gradient to check/],
    [['digits', '--all', '--features', '3'], /'--all' cannot be used with option '--features <n>'/],
    [['digits', '--examples', '0'], /expected a whole number from 1\./],
    [['digits', '--set', 'etaa=1'], /etaa/],
  ] as const) {
    const { code, stderr } = await millrace(['check-gradient', ...args], cwd)
    t.equal(code, 2, args.join(' '))
    t.match(stderr, message)
  }
})

t.test('all gradients of the published experiment pass', { skip: !data && 'MILLRACE_DATA is not set' }, async (t) => {
  const directory = join(data!, 'cifar-10-first-1000')
  const { code, stdout } = await millrace(
    ['check-gradient', 'cifar10/experiment-3', '--set', `directory=${directory}`],
    t.testdir(),
  )
  t.equal(code, 0)
  t.match(stdout, '100 examples, 1,010 of 30,730 parameters: 1,000 of 30,720 of W, sampled; all 10 of b\n')
})

t.test(
  'a learning rate that watches a metric is checked where it starts: no evaluation is left to watch',
  async (t) => {
    const folder = t.testdir({
      'p.yaml': `name: p
stages:
  - id: examples
    use: load/digits
  - use: batch/rows
    with: { size: 300, epochs: 1 }
  - id: model
    use: gradient-step/softmax
    with: { eta: { plateau: { start: 0.01, metric: test_loss } } }
  - use: evaluate/classification
    from: { parameters: model, examples: examples }
    with: { start: true }
`,
    })
    const { code, stdout } = await millrace(['check-gradient', 'p.yaml'], folder)
    t.equal(code, 0)
    t.match(stdout, /all \d+ checks pass/)
  },
)
