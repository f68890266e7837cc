/** A user's program: the names of metrics are known if stage objects are given. It is compiled and not run. */
import { type MetricsRow, Pipeline, type Result, type Run, run, start } from 'millrace'
import { batchRows, evaluateClassification, gradientStepSoftmax, loadDigits, sinkCsv } from 'millrace/stages'
import { judge, judgeOfUnknown } from './stages.js'

/** Compiles only if `A` and `B` are the same type; `any` is the same as nothing else. */
function same<A, B>(..._: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]): void {}

const training = [
  { use: loadDigits },
  { use: batchRows, with: { size: 32, epochs: 10 } },
  { use: gradientStepSoftmax, id: 'model', with: { eta: 0.1 } },
] as const
const from = { parameters: 'model', examples: 'digits' } as const

// The splits are listed.
const typed = await Pipeline.define({
  name: 'typed',
  stages: [
    ...training,
    { use: evaluateClassification, id: 'metrics', from, with: { splits: ['train', 'test'] } },
    { use: sinkCsv },
  ],
})
const running = start(typed)
running.metrics.subscribe((row) => {
  same<typeof row.test_accuracy, number>()
  same<typeof row.train_cost, number>()
  same<typeof row.epoch, number>()
  // @ts-expect-error `test_accuracy` is misspelt
  row.test_acuracy
  // @ts-expect-error the validation split is not evaluated
  row.validation_accuracy
})
running.events.subscribe((event) => {
  if (event.type !== 'metrics') return
  same<typeof event.row.test_accuracy, number>()
  // @ts-expect-error `test_accuracy` is misspelt
  event.row.test_acuracy
})
const result = await running.result
const { history, metrics, parameters } = await run(typed)
for (const row of [...history, ...result.history, ...(metrics.metrics ?? [])]) {
  same<typeof row.test_loss, number>()
  // @ts-expect-error `test_loss` is misspelt
  row.test_los
}

// Parameters are ndarrays.
const { W } = parameters
// @ts-expect-error an array of this name may be missing
W.shape
same<NonNullable<typeof W>['shape'], number[]>()
same<ReturnType<NonNullable<typeof W>['get']>, number>()
// @ts-expect-error an ndarray has no such property
W?.shpae

// All splits are evaluated: their names are not known.
const every = await run(
  await Pipeline.define({ name: 'every', stages: [...training, { use: evaluateClassification, from }] }),
)
for (const row of every.history) {
  same<typeof row.holdout_accuracy, number | undefined>()
  // @ts-expect-error `test_accuracy` is misspelt
  row.test_acuracy
}

// Further metrics: their names are not known.
const more = await run(
  await Pipeline.define({
    name: 'more',
    stages: [
      ...training,
      { use: evaluateClassification, from, with: { splits: ['test'], metrics: ['auc', { topK: 2 }], start: true } },
    ],
  }),
)
for (const row of more.history) {
  same<typeof row.test_auc, number | undefined>()
  same<typeof row.test_loss, number | undefined>()
}
await Pipeline.define({
  name: 'wrong',
  // @ts-expect-error `auc` is misspelt
  stages: [...training, { use: evaluateClassification, from, with: { metrics: ['acu'] } }],
})

// A list of splits in a variable.
const splits = ['train', 'validation'] as const
const listed = await run(
  await Pipeline.define({
    name: 'listed',
    stages: [...training, { use: evaluateClassification, from, with: { splits } }],
  }),
)
for (const row of listed.history) {
  same<typeof row.validation_cost, number>()
  // @ts-expect-error the test split is not evaluated
  row.test_cost
}

// An evaluation of a user, which declares its metrics, and one which does not.
const judged = await run(await Pipeline.define({ name: 'judged', stages: [...training, { use: judge, from }] }))
for (const row of judged.history) {
  same<typeof row.test_f1, number | undefined>()
  // @ts-expect-error this stage does not measure an accuracy
  row.test_accuracy
}
const unknown = await run(
  await Pipeline.define({
    name: 'unknown',
    stages: [...training, { use: evaluateClassification, from }, { use: judgeOfUnknown, from }],
  }),
)
same<typeof unknown, Result>()
for (const row of unknown.history) same<typeof row.whatever, number | undefined>()

// Two evaluations: a row is from one of them.
const two = await run(typed.insertAfter('metrics', { use: judge, from, with: { splits: ['test'] } }))
for (const row of two.history) {
  // @ts-expect-error the rows of the other stage do not have it
  row.test_f1
  if ('test_f1' in row) same<typeof row.test_f1, number>()
  else same<typeof row.test_loss, number>()
}

// Changes of a pipeline.
const narrowed = await run(typed.replace('metrics', evaluateClassification, { splits: ['test'] }))
for (const row of narrowed.history) {
  same<typeof row.test_loss, number>()
  // @ts-expect-error the new stage does not evaluate this split
  row.train_loss
}
same<ReturnType<typeof typed.remove>, typeof typed>()
const faster = typed.set('model', { eta: 1 })
same<typeof faster, typeof typed>()
const reset = await run(typed.set('metrics', { splits: ['validation'] }))
same<typeof reset, Result>()

// Pipelines from YAML, and stages given by name: rows have any metric.
const loaded = await Pipeline.load('digits')
same<typeof loaded, Pipeline>()
const named = await Pipeline.define({ name: 'named', stages: [{ use: 'load/digits' }, { use: 'evaluate/mine' }] })
same<typeof named, Pipeline>()
const started: Run = start(loaded)
started.metrics.subscribe((row) => same<typeof row, MetricsRow>())

// A function that takes any pipeline takes a typed one.
const describe = async (pipeline: Pipeline): Promise<Result> => run(pipeline)
await describe(typed)
// @ts-expect-error the metrics of a pipeline from YAML are not known
describe satisfies (pipeline: typeof typed) => Promise<typeof result>
