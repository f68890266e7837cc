import { EMPTY, throwError } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf } from '../../../dist/pipeline/stage-kit.js'
import { errorOf, runStage } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const entry = '- use: normalize/min-max'

t.test('normalize/min-max maps the range of each feature on the fit split onto 0 … 1', async (t) => {
  for (const Values of [Uint8Array, Float32Array] as const) {
    const { tables } = await runStage(t, entry, {
      examples: [
        examples(
          [
            [2, 0],
            [6, 128],
            [4, 64],
          ],
          [0, 1, 2],
          {},
          Values,
        ),
        examples([[8, 32]], [0], { split: 'test' }, Values),
      ],
    })
    t.strictSame(tables.map(featuresIn), [
      [
        [0, 0],
        [1, 1],
        [0.5, 0.5],
      ],
      [[1.5, 0.25]],
    ])
    t.ok(kernelRows(tables[0]!).values instanceof Values)
  }
})

t.test('a constant feature becomes 0, with a note', async (t) => {
  for (const Values of [Uint8Array, Float32Array] as const) {
    const { tables, notes } = await runStage(t, `${entry}\n  with: { fit: a }`, {
      examples: [examples([[3], [3]], [0, 1], { split: 'a' }, Values)],
    })
    t.strictSame(featuresIn(tables[0]!), [[0], [0]])
    t.strictSame(notes, ['1 of 1 features is constant on a and becomes 0 (0)'])
  }
})

t.test('standardising first makes no difference to the range', async (t) => {
  const affine = { mean: Float64Array.of(3), scale: Float64Array.of(0.1) }
  const { tables } = await runStage(t, entry, { examples: [examples([[0], [4]], [0, 1], { affine })] })
  t.strictSame(layoutOf(tables[0]!).affine, { mean: Float64Array.of(0), scale: Float64Array.of(0.25) })
})

t.test('normalize/min-max says so where there is nothing to fit on, and passes an error on', async (t) => {
  t.strictSame(await errorOf(runStage(t, entry, { examples: EMPTY })), [
    'DATA',
    'no rows of the split "train" arrived to fit on',
  ])
  const error = new Error('upstream')
  await t.rejects(runStage(t, entry, { examples: throwError(() => error) }), error)
})
