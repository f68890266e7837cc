import type { Table } from 'apache-arrow'
import { EMPTY, lastValueFrom, map, of, throwError, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import type { Kernels } from '../../../dist/kernels/index.js'
import { openKernels } from '../../../dist/kernels/index.js'
import { nativeMissing } from '../../../dist/kernels/native/index.js'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { softmax } from '../../../dist/learners/index.js'
import { randomStream } from '../../../dist/pipeline/base/random.js'
import { copyParameters, kernelRows, modelOf, parametersTables, positionOf } from '../../../dist/pipeline/stage-kit.js'
import { costAround } from '../../../dist/stages/check/cost.js'
import { type GradientCheck, gradientChecks } from '../../../dist/stages/check/table.js'
import { errorOf, openStage, problemsOf, runStage, temporary } from '../harness.js'
import { examples } from '../tables.js'

const entry = (options = '') => `- use: check/gradient\n  with: { ${options} }`
const affine = {
  mean: Float64Array.from({ length: 6 }, (_, j) => 100 + j),
  scale: Float64Array.from({ length: 6 }, (_, j) => 0.01 * (j + 1)),
}

/** Twelve rows of six features in three classes, twice: the batches of two steps. */
function batches(Values: Uint8ArrayConstructor | Float32ArrayConstructor = Uint8Array): Table[] {
  const random = randomStream(1, 'test', 'rows')
  const isBytes = Values === Uint8Array
  const rows = Array.from({ length: 12 }, () =>
    Array.from({ length: 6 }, () => (isBytes ? random.below(256) : random.normal())),
  )
  const labels = rows.map((_, i) => i % 3)
  return [1, 2].map((step) => {
    const position = { epoch: 1, step, epochs: 1, steps: 2 }
    return examples(rows, labels, { position, ...(isBytes && { affine }) }, Values)
  })
}

/** What the training stage makes of the batches, a copy for each step. */
async function trained(t: Test, given: readonly Table[], options: string, kernels?: Kernels): Promise<Table[]> {
  const step = `- id: model\n  use: gradient-step/softmax\n  with: { ${options} }`
  const { tables } = openStage(t, step, { batches: given }, kernels && { kernels })
  return lastValueFrom(tables.pipe(map(copyParameters), toArray()))
}

/** The same parameters, with one array changed. */
function changed(table: Table, name: string, change: (values: Float64Array) => void): Table {
  const model = modelOf(table)
  const arrays = model.arrays.map((array) => ({ ...array, values: Float64Array.from(array.values) }))
  change(arrays.find((array) => array.name === name)!.values)
  return parametersTables({ ...model, arrays })(positionOf(table), model.eta)
}

async function check(t: Test, options = '', training = 'eta: 0.01, lambda: 0.1', given = batches()) {
  const { tables, notes } = await runStage(t, entry(options), {
    batches: given,
    parameters: await trained(t, given, training),
  })
  return { checks: gradientChecks(tables[0]!), notes, tables }
}

const judged = (checks: readonly GradientCheck[]) => checks.filter(({ verdict }) => verdict !== null)

t.test(
  'right gradients pass: of a step, of the reference with and without weight decay, of the fast kernels',
  async (t) => {
    for (const Values of [Uint8Array, Float32Array] as const) {
      const { checks, tables } = await check(t, '', 'eta: 0.01, lambda: 0.2', batches(Values))
      t.equal(tables.length, 1)
      t.strictSame(positionOf(tables[0]!), { epoch: 1, step: 2, epochs: 1, steps: 2 })
      const kinds = judged(checks).map(
        ({ gradient, lambda, array, method }) => `${gradient} ${lambda} ${array} ${method}`,
      )
      const differenced = ['step 0.2', 'reference 0', 'reference 0.2'].flatMap((of) =>
        ['W forward', 'W centred', 'b forward', 'b centred'].map((array) => `${of} ${array}`),
      )
      const kernels = [...(nativeMissing() ? [] : ['native']), 'wasm'].flatMap((kernel) =>
        [0, 0.2].flatMap((lambda) => ['W', 'b'].map((array) => `${kernel} ${lambda} ${array} reference`)),
      )
      t.strictSame(kinds, [...differenced, ...kernels])
      t.ok(judged(checks).every(({ verdict }) => verdict === 'pass'))
      for (const { max_absolute_error } of judged(checks).filter(({ method }) => method === 'centred'))
        t.ok(max_absolute_error < 1e-8)
    }
  },
)

t.test('without weight decay the kernels are checked with some all the same', async (t) => {
  const { checks } = await check(t, '', 'eta: 0.01')
  t.strictSame(new Set(checks.map(({ gradient, lambda }) => `${gradient} ${lambda}`)).has('reference 0.1'), true)
  t.ok(checks.filter(({ gradient }) => gradient === 'step').every(({ lambda }) => lambda === 0))
  const { checks: chosen } = await check(t, 'lambdas: [3]')
  t.strictSame([...new Set(chosen.map(({ lambda }) => lambda))], [0.1, 3])
})

t.test('the error has the shape of a V over h, and centred differences beat forward ones', async (t) => {
  const { checks } = await check(t)
  const error = (gradient: string, array: string, method: string, h: number) =>
    checks.find((row) => row.gradient === gradient && row.array === array && row.method === method && row.h === h)!
      .max_absolute_error
  for (const gradient of ['step', 'reference'])
    for (const array of ['W', 'b']) {
      for (const method of ['forward', 'centred']) {
        t.ok(error(gradient, array, method, 1e-1) > 100 * error(gradient, array, method, 1e-5))
        t.ok(error(gradient, array, method, 1e-10) > error(gradient, array, method, 1e-6))
      }
      t.ok(error(gradient, array, 'forward', 1e-4) > 100 * error(gradient, array, 'centred', 1e-4))
    }
})

t.test('what is differenced is the cost of the reference kernel, to the last few bits', async (t) => {
  const rows = kernelRows(batches()[0]!)
  const random = randomStream(1, 'test', 'parameters')
  const data = { features: 6, classes: 3 }
  const open = (slice: number) => softmax.open({ ...referenceKernels(), slice }, data, {})
  const model = open(1e6)
  const cost = async () => {
    const [loss] = await model.evaluate(rows)
    return { loss: loss! / rows.labels.length, penalty: await model.penalty() }
  }
  const { costAround: _, ...without } = softmax
  for (const learner of [softmax, without])
    for (const scale of [1, 1e4]) {
      const W = Float64Array.from({ length: 18 }, () => scale * random.normal())
      const b = Float64Array.from({ length: 3 }, () => scale * random.normal())
      // Five rows at a time.
      const around = open(5 * (6 + 128) * 3)
      around.load({ W, b })
      model.load({ W, b })
      const subject = { learner, own: {}, data, specs: learner.arrays(data, {}) }
      const moving = await costAround(subject, around, rows, { W, b }, () => undefined)
      const here = await cost()
      t.ok(Math.abs(moving.loss - here.loss) < 1e-14 * scale)
      t.ok(Math.abs(moving.penalty - here.penalty) <= 1e-14 * here.penalty)
      for (const d of [1, -0.1, 1e-6, -1e4])
        for (let k = 0; k < 3; k++)
          for (const j of [undefined, 0, 3, 5]) {
            const parameters = { W: W.slice(), b: b.slice() }
            const [name, at] = j === undefined ? (['b', k] as const) : (['W', k * 6 + j] as const)
            const value = parameters[name][at]! + d
            parameters[name][at] = value
            const moved = await moving.moved(name, at, value)
            model.load(parameters)
            const expected = await cost()
            const allowed = 1e-14 * Math.max(scale, Math.abs(d))
            const what = `class ${k}, feature ${j}, ${d}, scale ${scale}`
            t.ok(Math.abs(moved.loss - expected.loss) < allowed, what)
            t.ok(Math.abs(moved.penalty - expected.penalty) <= 1e-13 * expected.penalty, what)
          }
    }
})

t.test('a learner without a fast way to its cost is checked by its whole loss, to the same verdicts', async (t) => {
  const given = batches()
  const parameters = await trained(t, given, 'eta: 0.01, lambda: 0.1')
  const { costAround: _, ...plain } = softmax
  const [fast, slow] = [
    await runStage(t, entry('kernels: []'), { batches: given, parameters }),
    await runStage(t, entry('kernels: []'), { batches: given, parameters }, { learners: [plain] }),
  ].map(({ tables }) => judged(gradientChecks(tables[0]!)))
  const said = ({ gradient, lambda, array, method, count, verdict }: GradientCheck) =>
    [gradient, lambda, array, method, count, verdict].join(' ')
  t.strictSame(slow!.map(said), fast!.map(said))
  t.equal(slow!.length, 12)
  t.ok(slow!.every(({ verdict, max_absolute_error }) => verdict === 'pass' && max_absolute_error < 1e-6))
})

t.test('a step that is wrong in one element is caught, and the message says which', async (t) => {
  const given = batches()
  const [before, after] = await trained(t, given, 'eta: 0.01, lambda: 0.1')
  const cases = [
    ['W', 2 * 6 + 4, 'W[2, 4]'],
    ['b', 1, 'b[1]'],
  ] as const
  for (const [name, at, element] of cases) {
    const wrong = changed(after!, name, (values) => {
      values[at]! += 0.01 * 1e-4
    })
    const seen: GradientCheck[] = []
    const { tables } = openStage(t, entry('kernels: []'), { batches: given, parameters: [before!, wrong] })
    const [code, message] = await errorOf(
      lastValueFrom(tables.pipe(map((table) => seen.push(...gradientChecks(table))))),
    )
    t.equal(code, 'CHECK')
    const lines = message.split('\n')
    t.equal(lines.length, 2, 'forward and centred, of the one array')
    for (const line of lines)
      t.ok(
        line.startsWith(`${element}: the gradient of the step is `) &&
          /the error is (1\.0e-4|9\.9e-5) absolute/.test(line),
        line,
      )
    t.strictSame(
      judged(seen)
        .filter(({ verdict }) => verdict === 'fail')
        .map(({ gradient, array }) => `${gradient} ${array}`),
      [`step ${name}`, `step ${name}`],
      'the table went out before',
    )
  }
})

t.test('a step that forgets the 2 of 2 lambda W is caught', async (t) => {
  const given = batches()
  const [before, after] = await trained(t, given, 'eta: 0.01, lambda: 0.1')
  const { W } = Object.fromEntries(modelOf(before!).arrays.map(({ name, values }) => [name, values]))
  const wrong = changed(after!, 'W', (values) => {
    for (let i = 0; i < values.length; i++) values[i]! += 0.01 * 0.1 * W![i]!
  })
  const [code, message] = await errorOf(runStage(t, entry(), { batches: given, parameters: [before!, wrong] }))
  t.equal(code, 'CHECK')
  t.match(message, /^W\[\d, \d\]: the gradient of the step is \S+ \(lambda 0.1\), forward differences/)
})

t.test('onFailure: continue leaves it to the table', async (t) => {
  const given = batches()
  const [before, after] = await trained(t, given, 'eta: 0.01')
  const wrong = changed(after!, 'b', (values) => values.fill(7))
  const { tables } = await runStage(t, entry('onFailure: continue'), { batches: given, parameters: [before!, wrong] })
  t.equal(judged(gradientChecks(tables[0]!)).filter(({ verdict }) => verdict === 'fail').length, 2)
})

t.test('parameters that are no longer numbers fail', async (t) => {
  const given = batches()
  const [before, after] = await trained(t, given, 'eta: 0.01')
  const wrong = changed(after!, 'W', (values) => {
    values[5] = Number.NaN
  })
  const [code, message] = await errorOf(runStage(t, entry(), { batches: given, parameters: [before!, wrong] }))
  t.equal(code, 'CHECK')
  t.match(message, /^W\[0, 5\]: the gradient of the step is NaN/)
})

t.test('fast kernels that stray further than allowed are named', async (t) => {
  const [code, message] = await errorOf(check(t, 'kernels: [wasm], kernelThreshold: 1.0e-12'))
  t.equal(code, 'CHECK')
  t.match(message, /^W\[\d, \d\]: the gradient of the wasm kernel is .* of the largest magnitude, allowed 1e-12$/m)
})

t.test('a few features are drawn, in every class; b is whole', async (t) => {
  const { checks } = await check(t, 'features: 2')
  const counts = (array: string) => [
    ...new Set(
      checks.filter((row) => row.array === array && row.h !== null).map(({ count, size }) => `${count} of ${size}`),
    ),
  ]
  t.strictSame(counts('W'), ['6 of 18'])
  t.strictSame(counts('b'), ['3 of 3'])
  t.ok(checks.every(({ examples }) => examples === 12))
  for (const all of ['features: all', 'features: 1000']) {
    const { checks } = await check(t, all)
    t.equal(checks[0]!.count, 18)
  }
})

t.test('float32 parameters do not show their step: the table says that it is unchecked, and a note why', async (t) => {
  const given = batches()
  const kernels = await openKernels({ kernel: 'wasm', threads: 1 })
  t.teardown(() => kernels.close())
  const parameters = await trained(t, given, 'eta: 0.01', kernels)
  const { tables, notes } = await runStage(t, entry(), { batches: given, parameters })
  const checks = gradientChecks(tables[0]!)
  const of = (gradient: string) => checks.filter((check) => check.gradient === gradient)
  t.strictSame(
    of('step').map(({ array, method, h, count, size, worst, verdict }) => [
      array,
      method,
      h,
      count,
      size,
      worst,
      verdict,
    ]),
    [
      ['W', 'none', null, 0, 18, [], 'unchecked'],
      ['b', 'none', null, 0, 3, [], 'unchecked'],
    ],
  )
  t.ok(
    of('step').every(({ max_absolute_error, mean_relative_error }) =>
      Number.isNaN(max_absolute_error + mean_relative_error),
    ),
  )
  const others = judged(checks).filter(({ gradient }) => gradient !== 'step')
  t.ok(others.length > 0 && others.every(({ verdict }) => verdict === 'pass'))
  t.match(notes[0], /^the training step itself was not checked: its parameters are float32/)
})

t.test('an eta too small to show the gradient is an error, not a pass', async (t) => {
  const [code, message] = await errorOf(check(t, '', 'eta: 1.0e-12'))
  t.equal(code, 'DATA')
  t.match(message, /^a step with eta 1e-12 is too small against parameters of 0\.0\d+ to show its gradient to 0.000001/)
})

t.test('a run that ends too early, other data, and an error upstream are told', async (t) => {
  const given = batches()
  const parameters = await trained(t, given, 'eta: 0.01')
  t.strictSame(await errorOf(runStage(t, entry('step: 3'), { batches: given, parameters })), [
    'DATA',
    'the run ended before its step 3 could be checked',
  ])
  t.equal((await errorOf(runStage(t, entry(), { batches: EMPTY, parameters: EMPTY })))[0], 'DATA')
  const position = { epoch: 1, step: 2, epochs: 1, steps: 2 }
  t.strictSame(
    await errorOf(runStage(t, entry(), { batches: of(examples([[1, 2]], [0], { position })), parameters })),
    ['DATA', 'the parameters are for 6 features, the batch has 2'],
  )
  const [{ arrays, ...model }, at] = [modelOf(parameters[0]!), positionOf(parameters[0]!)]
  for (const [given, found] of [
    [arrays.slice(0, 1), 'none of that name'],
    [[arrays[0]!, { ...arrays[1]!, shape: [1, 3] }], '1×3'],
  ] as const)
    t.strictSame(
      await errorOf(
        runStage(t, entry(), {
          batches: batches(),
          parameters: [parametersTables({ ...model, arrays: given })(at, 0.1), parameters[1]!],
        }),
      ),
      ['DATA', `the learner "softmax" has an array b of 3, the parameters have ${found}`],
    )
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry(), { batches: throwError(() => error), parameters }), error)
})

t.test('check/gradient stands in a pipeline as any stage', async (t) => {
  const pipeline = (await Pipeline.load('digits', { set: ['epochs=1'] })).insertAfter('model', {
    use: 'check/gradient',
    from: { batches: 'shuffle', parameters: 'model' },
    with: { step: 20, features: 5 },
  })
  for (const kernel of ['reference', 'wasm'] as const) {
    const { record } = await run(pipeline, { out: `${temporary(t)}/run`, kernel })
    t.equal(record.status, 'done')
    t.equal(
      record.notes.filter((note) => note.startsWith('gradient: the training step')).length,
      kernel === 'wasm' ? 1 : 0,
    )
  }
})

t.test('check/gradient rejects wrong options before any data is read', async (t) => {
  const above =
    '- use: load/digits\n- use: batch/rows\n  with: { size: 10, epochs: 1 }\n- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }\n'
  const under = (options: string) =>
    `${above}- use: check/gradient\n  from: { batches: rows, parameters: model }\n  with: { ${options} }`
  const cases: [options: string, problem: string][] = [
    ['step: 1', 'step: expected an integer at least 2, got 1'],
    ['h: []', 'h: expected a non-empty list of positive numbers, got []'],
    ['features: some', 'features: expected a positive integer or "all", got "some"'],
    ['kernels: [gpu]', 'kernels[0]: expected "native", "wasm" or "webgpu", got "gpu"'],
  ]
  for (const [options, problem] of cases) {
    const found = await problemsOf(t, under(options))
    t.equal(found.replace(/^pipeline\.yaml:[\d:]+ {2}stages\[3\] check\/gradient: /, ''), problem)
  }
})
