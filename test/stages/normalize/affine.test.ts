import t from 'tap'
import { referenceKernels } from '../../../dist/kernels/reference.js'
import { StageFlow } from '../../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../../dist/pipeline/flow/flow-control.js'
import { localParallel } from '../../../dist/pipeline/parallel/local.js'
import { runMemory } from '../../../dist/pipeline/stage/memory.js'
import { kernelRows, layoutOf, type StageContext } from '../../../dist/pipeline/stage-kit.js'
import { noteConstants, standardised } from '../../../dist/stages/normalize/affine.js'
import { statisticsOf } from '../../../dist/stages/normalize/statistics.js'
import { examples, featuresIn, labelsIn } from '../tables.js'

const notes: string[] = []
const context = {
  kernels: referenceKernels(),
  parallel: localParallel,
  memory: runMemory(undefined),
  flow: new StageFlow(new FlowControl(new AbortController().signal)),
  signal: new AbortController().signal,
  note: (message: string) => notes.push(message),
} as unknown as StageContext

t.test('statisticsOf gives mean, population deviation, least and greatest per feature', async (t) => {
  const rows = [
    [1, 200],
    [3, 100],
    [5, 150],
    [7, 150],
  ]
  for (const Values of [Uint8Array, Float32Array] as const) {
    const one = await statisticsOf([examples(rows, [0, 1, 0, 1], {}, Values)], context)
    t.strictSame([...one.mean], [4, 150])
    t.strictSame([...one.deviation], [Math.sqrt(5), Math.sqrt(1250)])
    t.strictSame(
      [one.min, one.max].map((each) => [...each]),
      [
        [1, 100],
        [7, 200],
      ],
    )
    const parts = [rows.slice(0, 1), [], rows.slice(1)].map((part) =>
      examples(
        part,
        part.map(() => 0),
        { shape: [2] },
        Values,
      ),
    )
    t.strictSame(await statisticsOf(parts, context), one, 'over several tables as over one')
  }
})

t.test('statisticsOf does not lose digits where a mean is large against its deviation', async (t) => {
  const bytes = Array.from({ length: 1000 }, (_, i) => [i === 0 ? 254 : 255])
  const { deviation } = await statisticsOf([examples(bytes, new Array(1000).fill(0))], context)
  t.equal(deviation[0], Math.sqrt(0.001 - 0.001 ** 2), 'uint8')
  const floats = Array.from({ length: 1000 }, (_, i) => [1e6 + (i % 2)])
  const { mean, deviation: spread } = await statisticsOf(
    [examples(floats, new Array(1000).fill(0), {}, Float32Array)],
    context,
  )
  t.strictSame([mean[0], spread[0]], [1e6 + 0.5, 0.5], 'float32')
})

t.test('the deviation of a constant feature is exactly 0, whatever the constant', async (t) => {
  for (const constant of [0, 0.1, 1 / 3, 1e6 + 0.1, -7.7, 1e-30])
    for (const count of [1, 3, 7, 10, 1000]) {
      const rows = Array.from({ length: count }, () => [constant])
      const { deviation } = await statisticsOf([examples(rows, new Array(count).fill(0), {}, Float32Array)], context)
      t.equal(deviation[0], 0, `${count} times ${constant}`)
    }
})

t.test('statisticsOf refuses to work on no rows', async (t) => {
  await t.rejects(statisticsOf([examples([], [])], context), {
    code: 'DATA',
    message: 'there are no rows to compute statistics on',
  })
})

t.test('standardised leaves uint8 rows as they are and attaches the map', async (t) => {
  const table = examples(
    [
      [0, 10],
      [4, 30],
    ],
    [0, 1],
    { split: 'x' },
  )
  const affine = { mean: Float64Array.of(2, 20), scale: Float64Array.of(0.5, 0.1) }
  const made = await standardised(table, affine, context)
  t.equal(kernelRows(made).values.buffer, kernelRows(table).values.buffer, 'nothing is copied')
  t.strictSame(layoutOf(made).affine, affine)
  t.strictSame(featuresIn(made), [
    [-1, -1],
    [1, 1],
  ])
  t.strictSame(labelsIn(made), [0, 1])
})

t.test(
  'standardised writes floats of their own for float32 rows, and for uint8 rows whose map cannot be folded',
  async (t) => {
    const affine = { mean: Float64Array.of(254.9), scale: Float64Array.of(10) }
    for (const Values of [Uint8Array, Float32Array] as const) {
      const table = examples([[254], [255]], [0, 1], {}, Values)
      const made = await standardised(table, affine, context)
      t.ok(kernelRows(made).values instanceof Float32Array)
      t.equal(layoutOf(made).affine, undefined)
      t.strictSame(featuresIn(made), [[Math.fround((254 - 254.9) * 10)], [Math.fround((255 - 254.9) * 10)]])
      t.strictSame(featuresIn(table), [[254], [255]], 'the rows that came stay as they were')
    }
  },
)

t.test('noteConstants names up to five constant features, and is silent where there are none', (t) => {
  const cases: [scale: number[], note: string[]][] = [
    [[1, 2], []],
    [[1, 0], ['1 of 2 features is constant on train and becomes 0 (1)']],
    [[0, 1, 0], ['2 of 3 features are constant on train and become 0 (0, 2)']],
    [[0, 0, 0, 0, 0, 0], ['6 of 6 features are constant on train and become 0 (0, 1, 2, 3, 4 … (6 in all))']],
  ]
  for (const [scale, expected] of cases) {
    notes.length = 0
    noteConstants(Float64Array.from(scale), 'train', context)
    t.strictSame(notes, expected)
  }
  t.end()
})
