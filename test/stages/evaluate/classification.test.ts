import { tableFromIPC, tableToIPC } from 'apache-arrow'
import { concat, EMPTY, lastValueFrom, NEVER, of, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { softmax } from '../../../dist/learners/index.js'
import {
  type AnyLearner,
  metricInfosOf,
  metricsRows,
  modelOf,
  parametersTables,
  positionOf,
} from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'
import { countedExamples, examples, parameters, positionsOf } from '../tables.js'

const entry = (options = '{}') =>
  `- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n  with: ${options}`

const classes = ['no', 'yes']
const train = examples([[1], [3], [0]], [1, 1, 1], { classes })
const test = examples([[2]], [0], { classes, split: 'test' })
/** Logits are ∓x: the loss of class 1 is log(1 + exp(-2 x)). */
const model = parameters([[-1], [1]], [0, 0], { epoch: 1, step: 1, epochs: 1, steps: 1 }, 0.25)
const loss = (margin: number) => Math.log(1 + Math.exp(-margin))

/** Parameters after each of the steps of `epochs` epochs. */
const steps = (epochs: number, steps: number) =>
  Array.from({ length: epochs * steps }, (_, i) =>
    parameters([[-1], [1]], [0, 0], { epoch: Math.floor(i / steps) + 1, step: i + 1, epochs, steps }),
  )

t.test(
  'it computes mean loss, cost with the penalty, and accuracy, with a tie counted for the first class',
  async (t) => {
    const { tables } = await runStage(t, entry(), { parameters: [model], examples: [train, test] })
    const [row] = metricsRows(tables[0]!)
    const expected = {
      epoch: 1,
      step: 1,
      train_loss: (loss(2) + loss(6) + loss(0)) / 3,
      train_cost: (loss(2) + loss(6) + loss(0)) / 3 + 0.25 * 2,
      train_accuracy: 2 / 3,
      test_loss: loss(-4),
      test_cost: loss(-4) + 0.25 * 2,
      test_accuracy: 0,
    }
    t.strictSame(Object.keys(row!), Object.keys(expected), 'columns in their order')
    for (const [name, value] of Object.entries(expected)) t.ok(Math.abs(row![name]! - value) < 1e-14, name)
  },
)

t.test('`splits` says which splits are evaluated, in the order of the columns', async (t) => {
  const { tables } = await runStage(t, entry('{ splits: [test, train] }'), {
    parameters: [model],
    examples: [train, test],
  })
  t.strictSame(Object.keys(metricsRows(tables[0]!)[0]!), [
    'epoch',
    'step',
    ...['test_loss', 'test_cost', 'test_accuracy', 'train_loss', 'train_cost', 'train_accuracy'],
  ])
})

t.test('`every` says when; the last step is always evaluated', async (t) => {
  const cases: [every: string, epochs: number, steps: number, evaluated: [number, number][]][] = [
    [
      'epoch',
      2,
      3,
      [
        [1, 3],
        [2, 6],
      ],
    ],
    [
      '{ epochs: 2 }',
      5,
      2,
      [
        [2, 4],
        [4, 8],
        [5, 10],
      ],
    ],
    ['{ epochs: 9 }', 3, 1, [[3, 3]]],
    ['9 epochs', 3, 1, [[3, 3]]],
    [
      '4 steps',
      2,
      3,
      [
        [2, 4],
        [2, 6],
      ],
    ],
    [
      '{ steps: 2 }',
      2,
      3,
      [
        [1, 2],
        [2, 4],
        [2, 6],
      ],
    ],
    [
      '{ steps: 4 }',
      2,
      3,
      [
        [2, 4],
        [2, 6],
      ],
    ],
    [
      '{ steps: 1 }',
      1,
      2,
      [
        [1, 1],
        [1, 2],
      ],
    ],
  ]
  for (const [every, epochs, perEpoch, evaluated] of cases) {
    const { tables } = await runStage(t, entry(`{ every: ${every} }`), {
      parameters: steps(epochs, perEpoch),
      examples: [train],
    })
    t.strictSame(positionsOf(tables), evaluated, every)
  }
})

t.test(
  'a split of several tables is one split, and large ones are evaluated piece by piece to the same numbers',
  async (t) => {
    const parts = [
      [0, 7],
      [7, 8],
      [8, 20],
    ].map(([from, to]) => {
      const index = Array.from({ length: to! - from! }, (_, i) => from! + i)
      return examples(
        index.map((i) => [i]),
        index.map((i) => i % 2),
        { classes },
      )
    })
    const index = Array.from({ length: 20 }, (_, i) => i)
    const whole = examples(
      index.map((i) => [i]),
      index.map((i) => i % 2),
      { classes },
    )
    const evaluate = async (given: typeof parts, slice: number) => {
      const kernels = { ...referenceKernels(), slice }
      const { tables } = await runStage(t, entry(), { parameters: [model], examples: given }, { kernels })
      return metricsRows(tables[0]!)[0]!
    }
    const expected = await evaluate([whole], 5e6)
    for (const rows of [0, 3, 15])
      for (const given of [[whole], parts]) {
        const row = await evaluate(given, rows * (1 + 128) * 2)
        t.equal(row.train_accuracy, expected.train_accuracy)
        t.ok(Math.abs(row.train_loss! - expected.train_loss!) < 1e-12)
      }
  },
)

t.test('metrics that overflowed are given as they are', async (t) => {
  const broken = parameters([[Number.NaN], [1]], [0, 0])
  const { tables } = await runStage(t, entry(), { parameters: [broken], examples: [train] })
  t.strictSame(metricsRows(tables[0]!)[0]!.train_loss, Number.NaN)
})

t.test('it takes the parameters as they were when they came, though the examples come later', async (t) => {
  const W = [[-1], [1]]
  const table = parameters(W, [0, 0])
  const late = Promise.resolve(train)
  const { tables } = openStage(t, entry(), { parameters: of(table), examples: late })
  const metrics = lastValueFrom(tables)
  // What the next step would do to the live memory of the table.
  table.getChild('values')!.get(0).data[0].values.fill(0)
  t.ok(Math.abs(metricsRows(await metrics)[0]!.train_loss! - (loss(2) + loss(6) + loss(0)) / 3) < 1e-14)
})

t.test('the columns say what they are: split, name, title, unit and direction, as the learner does', async (t) => {
  const { tables } = await runStage(t, entry('{ splits: [test] }'), { parameters: [model], examples: [train, test] })
  for (const table of [tables[0]!, tableFromIPC(tableToIPC(tables[0]!, 'file'))])
    t.strictSame(metricInfosOf(table), {
      test_loss: { split: 'test', name: 'loss', title: 'loss', unit: 'nats', better: 'lower' },
      test_cost: { split: 'test', name: 'cost', title: 'cost', unit: 'nats', better: 'lower' },
      test_accuracy: { split: 'test', name: 'accuracy', title: 'accuracy', unit: 'share', better: 'higher' },
    })
})

/** Softmax under another name, with metrics of its own. */
const other: AnyLearner = {
  ...softmax,
  name: 'other',
  metrics: [
    { name: 'errors', title: 'errors', better: 'lower', value: ([, correct], rows) => rows - correct! },
    { name: 'weight', title: 'weight', value: (_, __, penalty) => penalty },
  ],
}

t.test('it measures what the learner measures that made the parameters', async (t) => {
  const parameters = [parametersTables({ ...modelOf(model), learner: 'other' })(positionOf(model), 0.1)]
  const inputs = { parameters, examples: [train, test] }
  const { tables } = await runStage(t, entry(), inputs, { learners: [softmax, other] })
  const expected = { epoch: 1, step: 1, train_errors: 1, train_weight: 0.5, test_errors: 1, test_weight: 0.5 }
  t.strictSame(metricsRows(tables[0]!), [expected])
  t.strictSame(metricInfosOf(tables[0]!).test_errors, {
    split: 'test',
    name: 'errors',
    title: 'errors',
    better: 'lower',
  })
  t.strictSame(metricInfosOf(tables[0]!).train_weight, { split: 'train', name: 'weight', title: 'weight' })
  t.match(await errorOf(runStage(t, entry(), inputs, { learners: [softmax] })), ['DATA', /"other"/])
})

t.test('its columns are known before the run', async (t) => {
  const above = [
    '- id: examples\n  use: load/digits',
    '- use: batch/rows\n  with: { size: 10, epochs: 1 }',
    '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }\n',
  ].join('\n')
  for (const [options, metrics] of [
    ['{ splits: [test] }', 'test_loss, test_cost, test_accuracy'],
    [
      '{}',
      'train_loss, train_cost, train_accuracy, validation_loss, validation_cost, validation_accuracy, test_loss, test_cost, test_accuracy',
    ],
  ])
    t.match(
      await problemsOf(t, `${above}${entry(options)}\n- use: stop/patience\n  with: { monitor: x }`),
      new RegExp(`no metric named "x" is computed; metrics: ${metrics}$`),
    )
})

t.test('no parameters give no metrics; an error of either input is passed on', async (t) => {
  t.strictSame((await runStage(t, entry(), { parameters: EMPTY, examples: [train] })).tables, [])
  const error = new Error('upstream')
  const failing = throwError(() => error)
  await t.rejects(runStage(t, entry(), { parameters: failing, examples: NEVER }), error)
  await t.rejects(runStage(t, entry(), { parameters: NEVER, examples: failing }), error)
})

t.test('it stops and frees its model if nobody listens any more', async (t) => {
  let freed = 0
  const kernels = referenceKernels()
  const network: typeof kernels.network = (shape) => ({
    ...kernels.network(shape),
    free: () => {
      freed++
    },
  })
  const { tables } = openStage(
    t,
    entry(),
    { parameters: concat(of(...steps(5, 1)), NEVER), examples: [train] },
    { kernels: { ...kernels, network } },
  )
  t.equal((await lastValueFrom(tables.pipe(take(2), toArray()))).length, 2)
  t.equal(freed, 1)
})

t.test('it refuses what it cannot evaluate', async (t) => {
  const cases = [
    [entry('{ splits: [test] }'), [train], 'the split "test" has no rows to evaluate'],
    [entry(), [train, examples([], [], { split: 'test', shape: [1] })], 'the split "test" has no rows to evaluate'],
    [entry(), [countedExamples(2)], 'the parameters are for 1 feature, the split "train" has 2'],
    [entry(), EMPTY, 'no examples arrived to evaluate'],
  ] as const
  for (const [yaml, given, message] of cases)
    t.strictSame(await errorOf(runStage(t, yaml, { parameters: [model], examples: given })), ['DATA', message])
})

t.test('evaluate/classification rejects what cannot work before any data is read', async (t) => {
  const above = [
    '- id: examples\n  use: load/digits',
    '- id: other\n  use: load/cifar10\n  with: { directory: x }',
    '- use: batch/rows\n  from: examples\n  with: { size: 10, epochs: 1 }',
    '- id: model\n  use: gradient-step/softmax\n  with: { eta: 0.1 }\n',
  ].join('\n')
  const cases: [yaml: string, problem: string][] = [
    [
      entry('{ splits: [train, tset] }'),
      'pipeline.yaml:16:29  stages[4] evaluate/classification: splits[1]: no split named "tset" reaches this stage; it has train, validation and test',
    ],
    [
      entry('{ splits: [] }'),
      'pipeline.yaml:16:21  stages[4] evaluate/classification: splits: expected a non-empty list of non-empty strings, got []',
    ],
    [
      entry('{ every: 5 }'),
      'pipeline.yaml:16:20  stages[4] evaluate/classification: every: expected "epoch", "5 epochs", "500 steps" or a mapping with epochs or steps, got 5',
    ],
    [
      entry().replace('examples: examples', 'examples: other'),
      'pipeline.yaml:13:5  stages[4] evaluate/classification: the parameters are for 64 features, the examples have 3072',
    ],
    [
      '- use: evaluate/classification',
      'pipeline.yaml:13:5  stages[4] evaluate/classification: the inputs parameters and examples of this stage must be named: from: { parameters: …, examples: … }',
    ],
  ]
  for (const [yaml, problem] of cases) t.equal(await problemsOf(t, above + yaml), problem)
})
