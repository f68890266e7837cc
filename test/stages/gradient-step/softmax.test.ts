import type { Table } from 'apache-arrow'
import { concat, EMPTY, lastValueFrom, map, of, take, throwError, toArray } from 'rxjs'
import t, { type Test } from 'tap'
import type { Kernels } from '../../../dist/kernels/index.js'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { copyParameters, modelOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'
import { countedBatches, examples, positionsOf } from '../tables.js'

const entry = (options: string) => `- id: model\n  use: gradient-step/softmax\n  with: { ${options} }`

/** Trains and keeps a copy of the parameters after every step: the tables themselves show live memory. */
async function train(t: Test, options: string, batches: readonly Table[], kernels?: Kernels, seed = 1) {
  const { tables } = openStage(t, entry(options), { batches }, kernels ? { kernels, seed } : { seed })
  return lastValueFrom(tables.pipe(map(copyParameters), toArray()))
}

function arraysIn(table: Table): Record<string, number[]> {
  return Object.fromEntries(modelOf(table).arrays.map(({ name, values }) => [name, [...values]]))
}

const round = (xs: number[]) => xs.map((x) => Number(x.toFixed(12)))

/** One batch of two rows, features 1 and 3, of classes 0 and 1 of two. */
const batch = (epoch = 1, values = [[1], [3]]) =>
  examples(values, [0, 1], { classes: ['no', 'yes'], position: { epoch, step: epoch, epochs: 4, steps: 1 } })

t.test('a step is W -= eta (dW + 2 lambda W), b -= eta db', async (t) => {
  // From zeros all probabilities are 1/2: dW = mean of ((p - y) x) = (-0.5 + 1.5) / 2 = 0.5 and -0.5, db = 0.
  const [first, second] = (await train(t, 'eta: 0.1, lambda: 0.5, init: zeros', [batch(1), batch(2)])).map(arraysIn)
  t.strictSame(round(first!.W!), [-0.05, 0.05])
  t.strictSame(round(first!.b!), [0, 0])
  // Now s = ∓0.05 x, so p of class 0 is 1 / (1 + exp(0.1 x)).
  const p = (x: number) => 1 / (1 + Math.exp(0.1 * x))
  const dW = ((p(1) - 1) * 1 + p(3) * 3) / 2
  const db = (p(1) - 1 + p(3)) / 2
  t.strictSame(round(second!.W!), round([-0.05 - 0.1 * (dW - 0.05), 0.05 + 0.1 * (dW - 0.05)]))
  t.strictSame(round(second!.b!), round([-0.1 * db, 0.1 * db]))
})

t.test(
  'it emits the parameters after every step, at the position of the batch, with all that describes them',
  async (t) => {
    const tables = await train(t, 'eta: 0.25, lambda: 0.5, init: zeros', countedBatches([2, 1], 2))
    t.strictSame(positionsOf(tables), [
      [1, 1],
      [1, 2],
      [2, 3],
      [2, 4],
    ])
    const { learner, options, shape, classes, lambda, eta, arrays } = modelOf(tables[3]!)
    t.strictSame([learner, options, shape, classes, lambda, eta], ['softmax', {}, [2], ['a', 'b', 'c'], 0.5, 0.25])
    t.strictSame(
      arrays.map(({ name, shape }) => [name, shape]),
      [
        ['W', [3, 2]],
        ['b', [3]],
      ],
    )
  },
)

t.test('the first parameters come from the seed and the id', async (t) => {
  const first = async (seed: number) => arraysIn((await train(t, 'eta: 1e-300', [batch()], undefined, seed))[0]!)
  t.strictSame(await first(1), await first(1))
  t.notSame(await first(1), await first(2))
})

t.test('eta follows its schedule by epoch', async (t) => {
  const tables = await train(
    t,
    'eta: { start: 0.4, factor: 0.5, every: 2 }, init: zeros',
    [1, 2, 3, 4].map((e) => batch(e)),
  )
  t.strictSame(
    tables.map((table) => modelOf(table).eta),
    [0.4, 0.4, 0.2, 0.2],
  )
})

t.test('a batch too large for one stretch of work is one step all the same', async (t) => {
  const batches = countedBatches([7, 4], 2)
  const expected = (await train(t, 'eta: 0.001, lambda: 0.1', batches)).map(arraysIn)
  for (const rows of [0, 1, 2, 3, 6, 6.9]) {
    const slice = rows * (2 + 128) * 3 + 1
    const actual = await train(t, 'eta: 0.001, lambda: 0.1', batches, { ...referenceKernels(), slice })
    t.strictSame(actual.map(arraysIn), expected, `${rows} rows at a time`)
  }
})

t.test('a loss that is not finite stops the run, unless told to go on', async (t) => {
  const far = [1, 2, 3].map((epoch) => batch(epoch, [[255], [254]]))
  t.strictSame(await errorOf(train(t, 'eta: 1e308, init: zeros', far)), [
    'DIVERGED',
    'the loss is NaN in epoch 2, step 2, with eta 1e+308; a smaller eta may help (onDivergence: continue goes on)',
  ])
  t.equal((await train(t, 'eta: 1e308, init: zeros, onDivergence: continue', far)).length, 3)
})

t.test('gradient-step/softmax needs two classes', async (t) => {
  const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
  t.strictSame(await errorOf(train(t, 'eta: 0.1', [examples([[1]], [0], { classes: ['a'], position })])), [
    'DATA',
    'expected at least 2 classes, found 1',
  ])
})

t.test('no batches give no parameters; an error is passed on', async (t) => {
  t.strictSame((await runStage(t, entry('eta: 0.1'), { batches: EMPTY })).tables, [])
  const error = new Error('upstream')
  await t.rejects(
    runStage(t, entry('eta: 0.1'), {
      batches: concat(
        of(batch()),
        throwError(() => error),
      ),
    }),
    error,
  )
})

t.test('the classifier is freed once, however training ends', async (t) => {
  const counted = () => {
    const kernels = referenceKernels()
    const made = { freed: 0, kernels: { ...kernels } }
    made.kernels.network = (shape) => ({
      ...kernels.network(shape),
      free: () => {
        made.freed++
      },
    })
    return made
  }
  const error = new Error('upstream')
  const endings = [
    [of(batch(1), batch(2)), 2],
    [of(batch(1), batch(2)), 1],
    [
      concat(
        of(batch()),
        throwError(() => error),
      ),
      2,
    ],
  ] as const
  for (const [batches, count] of endings) {
    const made = counted()
    const { tables } = openStage(t, entry('eta: 0.1'), { batches }, { kernels: made.kernels })
    await lastValueFrom(tables.pipe(take(count))).catch(() => {})
    t.equal(made.freed, 1)
  }
})

t.test('gradient-step/softmax rejects wrong options before any data is read', async (t) => {
  const above = '- use: load/digits\n- use: batch/rows\n  with: { size: 10, epochs: 1 }\n'
  const cases: [options: string, problem: string][] = [
    [
      'lambda: 0',
      'pipeline.yaml:7:11  stages[2] gradient-step/softmax: eta is required: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau',
    ],
    [
      'eta: 0',
      'pipeline.yaml:7:18  stages[2] gradient-step/softmax: eta: expected a positive number, a mapping with start, factor and every or a mapping with exponential, linear, cosine, cyclical or plateau, got 0',
    ],
    [
      'eta: 0.1, lambda: -1',
      'pipeline.yaml:7:31  stages[2] gradient-step/softmax: lambda: expected a non-negative number, got -1',
    ],
    [
      'eta: 0.1, init: ones',
      'pipeline.yaml:7:29  stages[2] gradient-step/softmax: init: expected "zeros", "normal", "xavier", "he" or a mapping with normal or from, got "ones"',
    ],
    [
      'eta: 0.1, momentum: 0.9',
      'pipeline.yaml:7:23  stages[2] gradient-step/softmax: unknown option "momentum"; options: eta, warmUp, update, clip, lambda, l1, classWeights, init, onDivergence',
    ],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, `${above}${entry(options)}`), problem)
})
