import { firstValueFrom, from } from 'rxjs'
import t from 'tap'
import { openKernels } from '../../../dist/kernels/index.js'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { softmax } from '../../../dist/learners/index.js'
import { StageFlow } from '../../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../../dist/pipeline/flow/flow-control.js'
import { localParallel } from '../../../dist/pipeline/parallel/local.js'
import type { AnyLearner, StageContext } from '../../../dist/pipeline/stage-kit.js'
import { predictedAtEnd } from '../../../dist/stages/sink/predicted.js'
import { examples, parameters } from '../tables.js'

const classes = ['a', 'b', 'c']
const model = parameters(
  [
    [1, 0],
    [0, 1],
    [-1, -1],
  ],
  [0, 0, 1],
)
const rows = [
  [2, 0],
  [0, 3],
  [0, 0],
  [1, 1],
  [0, 1],
]
const tables = [
  examples(rows.slice(0, 2), [0, 1], { classes, split: 'test' }),
  examples(rows.slice(2), [2, 0, 0], { classes, split: 'test' }),
]

const predict = (kernels: StageContext['kernels'], learner: AnyLearner = softmax) => {
  const { signal } = new AbortController()
  const flow = new StageFlow(new FlowControl(signal))
  const context = { kernels, flow, signal, parallel: localParallel, learner: () => learner } as unknown as StageContext
  const run = predictedAtEnd(context, undefined)
  return firstValueFrom(run({ parameters: from([model]), examples: from(tables) }))
}

t.test('each row gets its most probable class and the probability of it', async (t) => {
  const { predicted, confidence, confidenceIs, labels, features } = await predict(referenceKernels())
  t.equal(confidenceIs, 'probability')
  t.strictSame([...predicted], [0, 1, 2, 0, 1], 'the first of equals')
  t.strictSame([...labels], [0, 1, 2, 0, 0])
  const expected = rows.map(([x, y]) => {
    const exps = [x!, y!, 1 - x! - y!].map(Math.exp)
    return Math.max(...exps) / exps.reduce((a, b) => a + b)
  })
  for (const [i, share] of expected.entries()) t.ok(Math.abs(confidence[i]! - share) < 1e-14, `${share}`)
  t.strictSame(
    (await features([3, 0])).map((values) => [...values]),
    [3, 0].map((row) => rows[row]),
  )
  await t.rejects(features([5]), RangeError)
})

t.test('every kernel agrees, in pieces of any size', async (t) => {
  const expected = await predict(referenceKernels())
  for (const kernel of ['wasm', undefined] as const) {
    const kernels = await openKernels({ kernel, threads: 1 })
    for (const slice of [1, 12, 1e6]) {
      const { predicted, confidence } = await predict({ ...kernels, slice })
      t.strictSame(predicted, expected.predicted, `${kernels.name}, ${slice}`)
      t.ok(confidence.every((share, i) => Math.abs(share - expected.confidence[i]!) < 1e-6))
    }
    kernels.close()
  }
})

t.test('scores that are no logits are given as they are', async (t) => {
  const { predicted, confidence, confidenceIs } = await predict(referenceKernels(), { ...softmax, scores: 'other' })
  t.equal(confidenceIs, 'score')
  t.strictSame([...predicted], [0, 1, 2, 0, 1])
  t.strictSame([...confidence], [2, 3, 1, 1, 1], 'the largest score of each row')
})
