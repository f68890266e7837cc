import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline, resume, run, start } from '../../../dist/index.js'
import { softmax } from '../../../dist/learners/index.js'
import { readParameters } from '../../../dist/pipeline/formats/export.js'
import { type Model, modelOf } from '../../../dist/pipeline/stage-kit.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { gradientStep } from '../../../dist/stages/index.js'
import { errorOf, failureOf, problemsOf, temporary } from '../harness.js'

const head = '- id: digits\n  use: load/digits\n- use: batch/rows\n  with: { size: 100, epochs: 3 }\n'
const entry = (options: string, learner = 'network') =>
  `- id: model\n  use: gradient-step/${learner}\n  with: { ${options} }\n`
const tail =
  '- use: evaluate/classification\n  from: { parameters: model, examples: digits }\n  with: { every: 4 steps }\n' +
  '- use: sink/csv\n- use: sink/parameters\n  from: model\n'

function pipelineOf(t: Test, training: string, more = ''): string {
  const file = join(temporary(t), 'pipeline.yaml')
  const text = `${head}${training}${tail}`.replaceAll(/^/gm, '  ').trimEnd()
  writeFileSync(file, `${more}stages:\n${text}\n`)
  return file
}

t.test('wrong options are told before any data is read, at their place', async (t) => {
  const cases: [options: string, problem: RegExp][] = [
    ['eta: 1', /:8:11 .*: hidden is required: expected a non-empty list/],
    ['hidden: [0], eta: 1', /:8:22 .*: hidden\[0\]: expected an integer above 0 and at most 65536, got 0/],
    ['hidden: [], eta: 1', /:8:21 .*: hidden: expected a non-empty list/],
    ['hidden: [3, 2.5], eta: 1', /: hidden\[1\]: expected an integer/],
    [
      'hidden: [3], eta: { cyclical: { min: 2, max: 1, halfCycle: 5 } }',
      /: eta\.cyclical\.min: expected at most max, got 2/,
    ],
    [
      'hidden: [3], eta: { cyclical: { min: 0, max: 1, halfCycle: 0 } }',
      /: eta\.cyclical\.halfCycle: expected a positive integer, got 0/,
    ],
    [
      'hidden: [3], eta: { cosine: { start: 1, perid: 3 } }',
      /: eta\.cosine: unknown option "perid"; did you mean "period"\?/,
    ],
    ['hidden: [3], eta: 1, update: rmsprop', /: update: expected "sgd", .*, got "rmsprop"/],
    [
      'hidden: [3], eta: 1, update: { momentum: 1 }',
      /: update\.momentum: expected a number at least 0 and below 1, got 1/,
    ],
    ['hidden: [3], eta: 1, clip: 0', /: clip: expected a positive number, got 0/],
    ['hidden: [3], eta: 1, smoothing: 1', /: smoothing: expected a number at least 0 and below 1, got 1/],
    ['hidden: [3], eta: 1, loss: mse', /: loss: expected "cross-entropy" or "hinge", got "mse"/],
    [
      'hidden: [3], eta: 1, loss: hinge, smoothing: 0.1',
      /:8:58 .*: smoothing: expected 0, because the loss is hinge, got 0.1/,
    ],
    [
      'hidden: [3], eta: 1, dropout: 1',
      /:8:43 .*: dropout: expected a number at least 0 and below 1 or a list .*, got 1/,
    ],
    ['hidden: [3], eta: 1, dropout: [0.5, 1]', /:8:43 .*: dropout: expected .*, got \[0.5,1\]/],
    [
      'hidden: [3, 4], eta: 1, dropout: [0.5]',
      /:8:46 .*: dropout: expected a number for each hidden layer, 2 in all, got \[0.5\]/,
    ],
    ['hidden: [3, 4], eta: 1, freeze: [1, 4]', /:8:49 .*: freeze\[1\]: expected a layer from 1 to 3, got 4/],
    ['hidden: [3], eta: 1, freeze: [0]', /: freeze\[0\]: expected a positive integer, got 0/],
    ['hidden: [3], eta: 1, freeze: [2, 1]', /:8:42 .*: freeze: expected a layer that is left to train, got \[2,1\]/],
    ['hidden: [3], eta: 1, l1: -1', /: l1: expected a non-negative number, got -1/],
    [
      'hidden: [3], eta: 1, classWeights: [1, 2]',
      /:8:48 .*: classWeights: expected a weight for each of 10 classes, got 2/,
    ],
    [
      'hidden: [3], eta: 1, classWeights: { 3: 2, 11: 1 }',
      /:8:60 .*: classWeights\.11: there is no class of that name; did you mean "1"\?/,
    ],
    ['hidden: [3], eta: 1, classWeights: [0, 0]', /: classWeights: expected a weight above 0, got \[0,0\]/],
    ['hidden: [3], eta: 1, classWeights: [1, -1]', /: classWeights\[1\]: expected a non-negative number, got -1/],
    ['hidden: [3], eta: 1, warmUp: -1', /: warmUp: expected a non-negative integer, got -1/],
    ['hidden: [3], eta: 1, batchNorm: 1', /: batchNorm: expected true or false, got 1/],
  ]
  for (const [options, problem] of cases) t.match(await problemsOf(t, head + entry(options)), problem, options)
})

t.test('a file of first parameters that is missing, no such file, or of another shape', async (t) => {
  const from = (path: string) => `hidden: [4], eta: 0.1, init: { from: "${path}" }`
  const folder = temporary(t, { 'text.safetensors': 'nothing' })
  const missing = await failureOf(t, head + entry(from(`${folder}/none.safetensors`)))
  t.match(missing, ['DATA', /none\.safetensors/])
  t.match(await failureOf(t, head + entry(from(`${folder}/text.safetensors`))), ['DATA', /is no safetensors file/])
  const out = join(folder, 'run')
  await run(await Pipeline.load(pipelineOf(t, entry('hidden: [5], eta: 0.01'))), { out, kernel: 'reference' })
  t.match(await failureOf(t, head + entry(from(out))), [
    'DATA',
    /does not fit this model: W1 \(needed 4×64, found 5×64\), b1 \(needed 4, found 5\) and W2 \(needed 10×4, found 10×5\)/,
  ])
  const more = `hidden: [5, 5], eta: 0.1, batchNorm: true, init: { from: "${out}" }`
  t.match(await failureOf(t, head + entry(more)), ['DATA', /gamma1 \(needed 5, found none\)/])
})

t.test('training goes on from the parameters of a run', async (t) => {
  const folder = temporary(t)
  const options = 'hidden: [6], batchNorm: true, eta: 0.01'
  await run(await Pipeline.load(pipelineOf(t, entry(options))), { out: join(folder, 'a') })
  const still = entry(`${options}, init: { from: "${join(folder, 'a')}" }`).replace('eta: 0.01', 'eta: 1.0e-30')
  await run(await Pipeline.load(pipelineOf(t, still)), { out: join(folder, 'b') })
  const [a, b] = ['a', 'b'].map((name) => modelOf(readParameters(join(folder, name, 'parameters.arrow'))))
  for (const { name, values } of a!.arrays)
    if (!/^(mean|variance|batches)/.test(name))
      t.same([...b!.arrays.find((array) => array.name === name)!.values], [...values], name)
})

const trainings: [learner: string, options: string][] = [
  ['softmax', 'eta: { exponential: { start: 0.01, factor: 0.5 } }, update: momentum'],
  ['softmax', 'eta: 0.01, update: { adamw: { decay: 0.1 } }, warmUp: 10'],
  ['hinge', 'eta: { cosine: { start: 0.001, period: 7 } }, lambda: 0.01, update: nesterov, clip: 0.5'],
  ['softmax', 'eta: 0.01, classWeights: balanced, l1: 0.001'],
  ['network', 'hidden: [12, 7], loss: hinge, classWeights: { 3: 2 }, freeze: [2], eta: 0.01'],
  [
    'network',
    'hidden: [12, 7], batchNorm: true, smoothing: 0.1, update: adam, lambda: 0.001, init: he, dropout: [0.2, 0.1], ' +
      'eta: { cyclical: { min: 0.00001, max: 0.01, halfCycle: 5 } }',
  ],
]

/** Runs a pipeline and stops it when it has evaluated step `at`. */
async function stopped(file: string, out: string, at: number): Promise<void> {
  const stop = new AbortController()
  const running = start(await Pipeline.load(file), { out, signal: stop.signal })
  running.metrics.subscribe(({ step }) => step === at && stop.abort())
  await running.result.catch(() => {})
}

t.test('a run that is stopped and resumed writes the same bytes', async (t) => {
  for (const [learner, options] of trainings) {
    const file = pipelineOf(t, entry(options, learner))
    const [whole, halved] = [join(temporary(t), 'run'), join(temporary(t), 'run')]
    await run(await Pipeline.load(file), { out: whole })
    await stopped(file, halved, 4)
    await resume(halved, { set: [] }).result
    t.strictSame(differingFiles(whole, halved), [], `${learner}: ${options}`)
  }
})

t.test('a checkpoint of another update rule or another network is refused', async (t) => {
  const file = pipelineOf(t, entry('hidden: [5], eta: 0.01, update: "${rule}"'), 'vars: { rule: sgd }\n')
  for (const [rule, others] of [
    ['sgd', ['adam', 'momentum']],
    ['momentum', ['sgd', 'nesterov']],
    ['adam', ['adamw']],
  ] as const) {
    const out = join(temporary(t), 'run')
    writeFileSync(file, readFileSync(file, 'utf8').replace(/rule: \w+ }/, `rule: ${rule} }`))
    await stopped(file, out, 8)
    for (const other of others)
      t.match(
        await errorOf(resume(out, { set: [`rule=${other}`] }).result),
        ['DEFINITION', new RegExp(`update: was "${rule}", is now "${other}"; what the run has stored was made with`)],
        `${rule}, then ${other}`,
      )
  }
  const out = join(temporary(t), 'run')
  await stopped(file, out, 8)
  t.match(await errorOf(resume(out, { set: ['model.hidden=[6]'] }).result), [/DATA|DEFINITION/, /hidden|W1/])
})

t.test('results do not depend on the number of threads', async (t) => {
  const file = pipelineOf(t, entry(trainings.at(-1)![1]))
  const outs = []
  for (const threads of [1, 2, 3, 8]) {
    outs.push(join(temporary(t), 'run'))
    await run(await Pipeline.load(file), { out: outs.at(-1)!, threads })
  }
  for (const out of outs) t.strictSame(differingFiles(outs[0]!, out), [])
})

t.test('a divided run cannot normalise by the batch; it can train other networks', async (t) => {
  const divided = async (options: string) => {
    const file = pipelineOf(t, entry(options), 'parallel: { engine: local, shards: 2 }\n')
    return errorOf(run(await Pipeline.load(file), { out: join(temporary(t), 'run') }))
  }
  t.match(await divided('hidden: [5], batchNorm: true, eta: 0.1'), ['DATA', /needs the whole batch in one process/])
  t.strictSame(await divided('hidden: [5], update: adam, clip: 1, eta: 0.01'), ['', 'no error'])
})

/** The last parameters of a run of two epochs with the reference kernel. */
async function trained(t: Test, options: string, more = '', learner = 'network') {
  const out = join(temporary(t), 'run')
  await run(await Pipeline.load(pipelineOf(t, entry(options, learner), more)), { out, kernel: 'reference' })
  return {
    model: modelOf(readParameters(join(out, 'parameters.arrow'))),
    metrics: readFileSync(join(out, 'metrics.csv'), 'utf8'),
  }
}

/** The largest difference of any number of two models. */
function apart(a: Model, b: Model): number {
  const differences = a.arrays.flatMap(({ values }, i) =>
    [...values].map((w, k) => Math.abs(w - b.arrays[i]!.values[k]!)),
  )
  return Math.max(...differences)
}

t.test('the masks of dropout are the same in a divided run, and others with another seed', async (t) => {
  const options = 'hidden: [9, 8], dropout: [0.5, 0.25], init: he, eta: 0.001, lambda: 0.01'
  const { model } = await trained(t, options)
  const { model: divided } = await trained(t, options, 'parallel: { engine: local, shards: 3 }\n')
  t.ok(apart(model, divided) < 1e-9)
  t.ok(apart(model, (await trained(t, options.replace('0.25', '0.26'))).model) > 1e-4)
})

t.test('a frozen layer stays, the others move on', async (t) => {
  const folder = temporary(t)
  const options = 'hidden: [6, 5], batchNorm: true, init: he, eta: 0.01'
  await run(await Pipeline.load(pipelineOf(t, entry(options))), { out: join(folder, 'a') })
  const tuned = `${options.replace('init: he', `init: { from: "${join(folder, 'a')}" }`)}, freeze: [1, 3], lambda: 0.1`
  for (const more of ['', ', update: adam', ', l1: 0.01']) {
    const out = join(temporary(t), 'run')
    await run(await Pipeline.load(pipelineOf(t, entry(tuned + more))), { out })
    const [a, b] = [join(folder, 'a'), out].map((each) => modelOf(readParameters(join(each, 'parameters.arrow'))))
    const changed = a!.arrays.filter(({ values }, i) => String(values) !== String(b!.arrays[i]!.values))
    const names = changed.map(({ name }) => name).filter((name) => !/^(mean|variance|batches)/.test(name))
    t.strictSame(names, ['W2', 'b2', 'gamma2', 'beta2'], more)
  }
})

t.test('class weights of 1 change nothing; others multiply the loss of a row', async (t) => {
  for (const [learner, options] of [
    ['softmax', 'eta: 0.001, lambda: 0.1'],
    ['hinge', 'eta: 0.001'],
    ['network', 'hidden: [5], eta: 0.001, smoothing: 0.1'],
  ] as const) {
    const { model, metrics } = await trained(t, options, '', learner)
    const ones = await trained(t, `${options}, classWeights: [${Array(10).fill(1)}]`, '', learner)
    t.ok(apart(model, ones.model) < 1e-12)
    t.equal(ones.metrics, metrics)
    const twice = await trained(
      t,
      `${options.replace(/lambda: 0.1/, 'lambda: 0.2')}, classWeights: [${Array(10).fill(2)}]`,
      '',
      learner,
    )
    const faster = await trained(t, options.replace('0.001', '0.002'), '', learner)
    t.ok(apart(twice.model, faster.model) < (learner === 'softmax' ? 1e-3 : 1e-12))
    t.ok(apart(twice.model, model) > 1e-3)
  }
})

t.test('balanced weights count the rows of the split that is trained on, in every division', async (t) => {
  const options = 'eta: 0.01, classWeights: balanced'
  const { model } = await trained(t, options, '', 'softmax')
  const { model: divided } = await trained(t, options, 'parallel: { engine: local, shards: 2 }\n', 'softmax')
  t.equal(model.classWeights!.length, 10)
  t.strictSame(divided.classWeights, model.classWeights)
  t.ok(model.classWeights!.every((w) => w > 0.9 && w < 1.1 && w !== 1))
  t.ok(apart(model, divided) < 1e-12)
})

t.test('class weights that do not fit the classes of a file, and a learner that does not weigh rows', async (t) => {
  const folder = temporary(t, { 'a.csv': 'x,y,kind\n1,2,cat\n3,4,dog\n5,6,cat\n' })
  const above = `- use: load/csv\n  with: { files: { train: "${folder}/a.csv" }, label: kind }\n- use: batch/rows\n  with: { size: 2, epochs: 1 }\n`
  const failure = (weights: string) =>
    failureOf(t, above + entry(`eta: 0.1, classWeights: ${weights}`, 'softmax').trimEnd())
  t.strictSame(await failure('[1, 2, 3]'), ['DATA', 'classWeights: expected a weight for each of 2 classes, got 3'])
  t.match(await failure('{ cot: 2 }'), [
    'DATA',
    /^classWeights\.cot: there is no class of that name; did you mean "cat"\?/,
  ])
  const { weighsRows: _, ...learner } = softmax
  const stage = gradientStep({ name: 'mine', summary: 'Trains.', learner, example: '' })
  const problems: string[][] = []
  const options = stage.options.parse({ eta: 1, classWeights: 'balanced' })
  stage.facts!({ options, inputs: {}, problem: (...found) => problems.push(found) })
  t.strictSame(problems, [['classWeights', 'the learner "softmax" does not weigh rows; leave classWeights out']])
})

t.test('the cost has both penalties', async (t) => {
  const { model, metrics } = await trained(t, 'hidden: [5], eta: 0.001, lambda: 0.3, l1: 0.02')
  const [head, ...lines] = metrics
    .trim()
    .split('\n')
    .map((line) => line.split(','))
  const last = (name: string) => Number(lines.at(-1)![head!.indexOf(name)])
  const weights = model.arrays.filter(({ name }) => name.startsWith('W')).flatMap(({ values }) => [...values])
  const penalty = weights.reduce((sum, w) => sum + 0.3 * w * w + 0.02 * Math.abs(w), 0)
  t.ok(Math.abs(last('test_cost') - last('test_loss') - penalty) < 1e-9)
})

t.test('a network with the hinge loss has no probabilities', async (t) => {
  const confidence = async (loss: string) => {
    const text = head + entry(`hidden: [5], eta: 0.001, loss: ${loss}`)
    const more = '- use: sink/predictions\n  from: { parameters: model, examples: digits }\n'
    const file = join(temporary(t), 'pipeline.yaml')
    writeFileSync(file, `stages:\n${(text + more).replaceAll(/^(?=.)/gm, '  ')}`)
    const out = join(temporary(t), 'run')
    await run(await Pipeline.load(file), { out })
    return readFileSync(join(out, 'figures/predictions.csv'), 'utf8')
  }
  t.match(await confidence('cross-entropy'), /^row,class,predicted,probability,/)
  t.match(await confidence('hinge'), /^row,class,predicted,score,/)
})
