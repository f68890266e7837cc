import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t, { type Test } from 'tap'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { hinge, softmax } from '../../../dist/learners/index.js'
import {
  type AnyLearner,
  metricInfosOf,
  metricsRows,
  modelOf,
  parametersTables,
  positionOf,
} from '../../../dist/pipeline/stage-kit.js'
import { macroAuc } from '../../../dist/stages/evaluate/ranking.js'
import { errorOf, problemsOf, runStage } from '../harness.js'
import { examples, parameters } from '../tables.js'

const all = [
  ...['balanced_accuracy', 'macro_f1', 'class_accuracy', 'majority_accuracy', 'auc', 'log_loss', 'brier_score'],
  'calibration_error',
  '{ topK: 2 }',
]
const entry = (metrics: readonly string[], more = '') =>
  '- id: metrics\n  use: evaluate/classification\n  from: { parameters: model, examples: examples }\n' +
  `  with: { metrics: [${metrics.join(', ')}]${more} }`

/** Scores of twelve rows, two of them with equal scores. */
const scores = [
  ...[
    [2, 0.5, -1],
    [0.25, 0.25, 0],
    [1.5, 1.75, 0.5],
    [-0.5, 2, 1],
    [0, 0.5, 1.25],
    [1, -1, 1],
  ],
  ...[
    [0.75, 0.5, 3],
    [-1, 0, 0.25],
    [2, 0.5, -1],
    [0.5, 1.5, 1.25],
    [1.25, 0, -0.75],
    [0, 1, -2],
  ],
]
const labels = [0, 0, 0, 1, 1, 2, 2, 2, 2, 1, 0, 0]
const classes = ['cat', 'dog, or wolf', 'c']

/** Parameters whose scores are the features. */
const identity = (width: number) =>
  parameters(
    Array.from({ length: width }, (_, i) => Array.from({ length: width }, (_, j) => Number(i === j))),
    Array.from({ length: width }, () => 0),
  )
const named = (learner: string, width = 3) =>
  parametersTables({ ...modelOf(identity(width)), learner, classes: classes.slice(0, width) })(
    positionOf(identity(width)),
    0.1,
  )
const train = examples(scores, labels, { classes }, Float32Array)
const measure = async (t: Test, metrics: readonly string[], given = [train], kernels = referenceKernels()) => {
  const { tables } = await runStage(t, entry(metrics), { parameters: [named('softmax')], examples: given }, { kernels })
  return { row: metricsRows(tables[0]!)[0]!, table: tables[0]! }
}

/**
 * From scikit-learn 1.2.1, with P = softmax(scores) in float64: balanced_accuracy_score, f1_score(average='macro'),
 * recall_score(average=None), roc_auc_score(P, multi_class='ovr'), log_loss, top_k_accuracy_score(k=2). From NumPy: the
 * Brier score ((P - onehot)**2).sum(1).mean(), and the calibration error with the bins ceil(15 * P.max(1)).
 */
const expected = {
  train_balanced_accuracy: 0.5888888888888889,
  train_macro_f1: 0.580952380952381,
  train_accuracy_cat: 0.6,
  'train_accuracy_dog, or wolf': 2 / 3,
  train_accuracy_c: 0.5,
  train_majority_accuracy: 5 / 12,
  train_auc: 0.7536100088183422,
  train_log_loss: 0.9405630915046205,
  train_brier_score: 0.5466553538057123,
  train_calibration_error: 0.2505818170697212,
  train_top2_accuracy: 0.9166666666666666,
}

t.test('the metrics have the values of scikit-learn, behind those of the learner', async (t) => {
  const { row } = await measure(t, all)
  const { train_loss, train_accuracy } = row
  t.strictSame(Object.keys(row), [
    'epoch',
    'step',
    'train_loss',
    'train_cost',
    'train_accuracy',
    ...Object.keys(expected),
  ])
  for (const [name, value] of Object.entries(expected))
    t.ok(Math.abs(row[name]! - value) < 1e-12, `${name} ${row[name]}`)
  t.equal(train_accuracy, 7 / 12)
  t.ok(Math.abs(train_loss! - expected.train_log_loss) < 1e-12, 'the loss of this learner is the log loss')
})

t.test('the learner metrics are the same numbers with other metrics and without', async (t) => {
  const [{ row: alone }, { row: beside }] = [await measure(t, []), await measure(t, all)]
  for (const [name, value] of Object.entries(alone)) t.equal(beside[name], value, name)
  t.equal(Object.keys(alone).length, 5)
})

t.test('rows in several tables and pieces give the same metrics', async (t) => {
  const parts = [
    [0, 5],
    [5, 6],
    [6, 12],
  ].map(([from, to]) => examples(scores.slice(from, to), labels.slice(from, to), { classes }, Float32Array))
  const kernels = { ...referenceKernels(), slice: 2 * (3 + 128) * 3 }
  const { row } = await measure(t, all, parts, kernels)
  for (const [name, value] of Object.entries(expected)) t.ok(Math.abs(row[name]! - value) < 1e-12, name)
})

t.test('the columns say what they are, also through a file', async (t) => {
  const { table } = await measure(t, all)
  const of = (name: string, title: string, rest: object) => ({ split: 'train', name, title, ...rest })
  const share = { unit: 'share', better: 'higher' }
  for (const infos of [metricInfosOf(table), metricInfosOf(tableFromIPC(tableToIPC(table, 'file')))])
    t.match(infos, {
      train_balanced_accuracy: of('balanced_accuracy', 'balanced accuracy', share),
      train_macro_f1: of('macro_f1', 'macro F1', { better: 'higher' }),
      'train_accuracy_dog, or wolf': of('accuracy_dog, or wolf', 'accuracy of dog, or wolf', share),
      train_auc: of('auc', 'AUC', { better: 'higher' }),
      train_log_loss: of('log_loss', 'log loss', { unit: 'nats', better: 'lower' }),
      train_brier_score: of('brier_score', 'Brier score', { better: 'lower' }),
      train_calibration_error: of('calibration_error', 'expected calibration error', {
        unit: 'share',
        better: 'lower',
      }),
      train_top2_accuracy: of('top2_accuracy', 'top-2 accuracy', share),
    })
  t.strictSame(
    metricInfosOf(table).train_majority_accuracy,
    of('majority_accuracy', 'accuracy of the majority class', { unit: 'share' }),
    'no direction: it is a property of the data',
  )
})

t.test('two classes, equal scores, and top-1', async (t) => {
  // From scikit-learn 1.2.1: roc_auc_score and 2 * brier_score_loss of the first two scores, labels > 0.
  const pair = examples(
    scores.map((row) => row.slice(0, 2)),
    labels.map((label) => Number(label > 0)),
    { classes: classes.slice(0, 2) },
    Float32Array,
  )
  const { tables } = await runStage(t, entry(['auc', 'brier_score', '{ topK: 1 }']), {
    parameters: [named('softmax', 2)],
    examples: [pair],
  })
  const { train_auc, train_brier_score, train_top1_accuracy, train_accuracy } = metricsRows(tables[0]!)[0]!
  t.equal(train_auc, 0.5857142857142857)
  t.ok(Math.abs(train_brier_score! - 0.5394313030468596) < 1e-12)
  t.equal(train_top1_accuracy, train_accuracy, 'equal scores count for the first class')
})

t.test('a class without rows is left out of the means; its own accuracy is no number', async (t) => {
  const some = labels.flatMap((label, i) => (label < 2 ? [i] : []))
  const { row } = await measure(t, all, [
    examples(
      some.map((i) => scores[i]!),
      some.map((i) => labels[i]!),
      { classes },
      Float32Array,
    ),
  ])
  t.ok(Number.isNaN(row.train_accuracy_c))
  t.equal(row.train_balanced_accuracy, (3 / 5 + 2 / 3) / 2)
  // One row was predicted to be of class c: its F1 is 0.
  t.equal(row.train_macro_f1, ((2 * 3) / (5 + 3) + (2 * 2) / (3 + 4)) / 3)
})

t.test('probabilities that round to 1 keep their order, and scores that are no numbers give none', async (t) => {
  const given = (values: number[][]) => examples(values, [0, 0, 1, 1], { classes }, Float32Array)
  const sure = given([
    [900, 0, 0],
    [800, 0, 0],
    [850, 0, 0],
    [700, 0, 0],
  ])
  // Class 0: 900 is above 850 and 700, 800 above 700. Class 1 has the same pairs, and class 2 no row.
  t.equal((await measure(t, ['auc'], [sure])).row.train_auc, 3 / 4)
  const { row } = await measure(t, all, [
    given([
      [Number.NaN, 1, 1],
      [1, 0, 0],
      [0, 1, 0],
      [0, 1, 0],
    ]),
  ])
  for (const name of ['train_auc', 'train_log_loss', 'train_brier_score', 'train_calibration_error'])
    t.ok(Number.isNaN(row[name]), name)
})

t.test('the AUC counts all pairs of long lists, whatever their order', async (t) => {
  const [rows, classes] = [150_000, 2]
  const ranking = new Float64Array(1 + 3 * rows)
  ranking[0] = rows
  let [pairs, othersBelow, own] = [0, 0, 0]
  // Values fall into a few steps, so that many are equal; the expected count goes through the steps upwards.
  const value = (i: number) => ((i * 7919) % 1000) / 8
  const label = (i: number) => Number(i % 3 === 0)
  const counts = new Map<number, [number, number]>()
  for (let i = 0; i < rows; i++) {
    ranking[1 + i] = label(i)
    ranking[1 + rows + i] = -value(i)
    ranking[1 + 2 * rows + i] = value(i)
    const count = counts.get(value(i)) ?? [0, 0]
    count[label(i)]!++
    counts.set(value(i), count)
  }
  for (const [, [others, here]] of [...counts].sort(([a], [b]) => a - b)) {
    pairs += here * (othersBelow + others / 2)
    othersBelow += others
    own += here
  }
  let pauses = 0
  const pause = () => {
    pauses++
    return undefined
  }
  t.equal(await macroAuc([ranking], classes, pause), pairs / (own * othersBelow))
  t.ok(pauses > 8, 'the event loop gets turns')
})

t.test('a learner whose scores are no logits has the metrics that need none', async (t) => {
  const learners: AnyLearner[] = [softmax, hinge]
  const possible = ['balanced_accuracy', 'auc', '{ topK: 2 }']
  const inputs = { parameters: [named('hinge')], examples: [train] }
  const { tables } = await runStage(t, entry(possible), inputs, { learners })
  const row = metricsRows(tables[0]!)[0]!
  t.equal(row.train_balanced_accuracy, expected.train_balanced_accuracy)
  // From scikit-learn 1.2.1: the mean of roc_auc_score(labels == k, scores[:, k]).
  t.ok(Math.abs(row.train_auc! - 0.704265873015873) < 1e-12)
  t.match(await errorOf(runStage(t, entry(['auc', 'log_loss']), inputs, { learners })), [
    'DATA',
    /^metrics\[1\]: "log_loss" needs probabilities, and the scores of the learner "hinge" give none/,
  ])
})

t.test('what cannot be measured is told before any data is read', async (t) => {
  const above = (step: string) =>
    [
      '- id: examples\n  use: load/digits',
      '- use: batch/rows\n  with: { size: 10, epochs: 1 }',
      `- id: model\n  use: gradient-step/${step}\n  with: { eta: 0.1 }\n`,
    ].join('\n')
  const at = (column: number) => `pipeline.yaml:12:${column}  stages[3] evaluate/classification: `
  const cases: [step: string, metrics: string[], problem: string][] = [
    [
      'hinge',
      ['auc', 'brier_score'],
      `${at(28)}metrics[1]: "brier_score" needs probabilities, and the scores of the learner "hinge" give none; leave it out, or train a learner with cross-entropy`,
    ],
    [
      'softmax',
      ['{ topK: 10 }'],
      `${at(31)}metrics[0].topK: expected less than the number of classes, 10, got 10: every row would count`,
    ],
    ['softmax', ['auc', 'auc'], `${at(22)}metrics: expected each metric once, got ["auc","auc"]`],
    [
      'softmax',
      ['f1'],
      `${at(23)}metrics[0]: expected "balanced_accuracy", "macro_f1", "class_accuracy", "majority_accuracy", "auc", "log_loss", "brier_score", "calibration_error" or a mapping with topK, got "f1"`,
    ],
  ]
  for (const [step, metrics, problem] of cases) t.equal(await problemsOf(t, above(step) + entry(metrics)), problem)
  t.match(
    await problemsOf(
      t,
      `${above('softmax')}${entry(['class_accuracy', '{ topK: 3 }'], ', splits: [test]')}\n- use: stop/patience\n  with: { monitor: x }`,
    ),
    /metrics: test_loss, test_cost, test_accuracy, test_accuracy_0, .*, test_accuracy_9, test_top3_accuracy$/,
  )
})

t.test('a learner that has such a metric itself keeps it', async (t) => {
  const other: AnyLearner = {
    ...softmax,
    name: 'other',
    metrics: [{ name: 'auc', title: 'AUC', better: 'higher', value: () => 0.5 }],
  }
  const inputs = { parameters: [named('other')], examples: [train] }
  t.match(await errorOf(runStage(t, entry(['auc']), inputs, { learners: [other] })), [
    'DATA',
    /the learner "other" has a metric "auc" of its own/,
  ])
})
