import { concat, EMPTY, of, throwError } from 'rxjs'
import t from 'tap'
import { kernelRows, layoutOf } from '../../../dist/pipeline/stage-kit.js'
import { problemsOf, runStage } from '../harness.js'
import { examples, featuresIn, labelsIn } from '../tables.js'

const entry = (options: string) => `- use: normalize/scale\n  with: { ${options} }`

t.test('normalize/scale computes (x - subtract) / divideBy', async (t) => {
  const cases: [options: string, expected: number[][]][] = [
    [
      'subtract: 1, divideBy: 2',
      [
        [0, 1],
        [2, 127],
      ],
    ],
    [
      'subtract: -1, divideBy: 0.5',
      [
        [4, 8],
        [12, 512],
      ],
    ],
    [
      'divideBy: 1',
      [
        [1, 3],
        [5, 255],
      ],
    ],
  ]
  for (const [options, expected] of cases)
    for (const Values of [Uint8Array, Float32Array] as const) {
      const { tables } = await runStage(t, entry(options), {
        examples: [
          examples(
            [
              [1, 3],
              [5, 255],
            ],
            [0, 1],
            {},
            Values,
          ),
        ],
      })
      t.strictSame(featuresIn(tables[0]!), expected, options)
      t.strictSame(labelsIn(tables[0]!), [0, 1])
    }
})

t.test('normalize/scale divides by 255 unless told otherwise, and leaves uint8 rows where they are', async (t) => {
  const table = examples([[51], [255]], [0, 1])
  const { tables } = await runStage(t, '- use: normalize/scale', { examples: [table] })
  t.equal(kernelRows(tables[0]!).values.buffer, kernelRows(table).values.buffer)
  t.strictSame(layoutOf(tables[0]!).affine, { mean: Float64Array.of(0), scale: Float64Array.of(1 / 255) })
})

t.test('normalize/scale comes on top of a map that the tables carry', async (t) => {
  const affine = { mean: Float64Array.of(10), scale: Float64Array.of(0.5) }
  const { tables } = await runStage(t, entry('subtract: 1, divideBy: 4'), {
    examples: [examples([[10], [20]], [0, 1], { affine })],
  })
  t.strictSame(featuresIn(tables[0]!), [[-0.25], [1]])
})

t.test('a feature that the map of uint8 rows makes 0 stays 0', async (t) => {
  const affine = { mean: Float64Array.of(10), scale: Float64Array.of(0) }
  const given = examples([[10], [20]], [0, 1], { affine })
  const { tables } = await runStage(t, entry('subtract: 1, divideBy: 4'), { examples: [given] })
  t.strictSame(featuresIn(tables[0]!).flat().map(Math.abs), [0, 0])
})

t.test('tables pass one by one, also those without rows, up to an error', async (t) => {
  const error = new Error('upstream')
  const { tables } = await runStage(t, entry('divideBy: 2'), { examples: [examples([], []), examples([[2]], [0])] })
  t.strictSame(
    tables.map((table) => table.numRows),
    [0, 1],
  )
  t.strictSame((await runStage(t, entry('divideBy: 2'), { examples: EMPTY })).tables, [])
  const given = concat(
    of(examples([[2]], [0])),
    throwError(() => error),
  )
  await t.rejects(runStage(t, entry('divideBy: 2'), { examples: given }), error)
})

t.test('normalize/scale rejects wrong options before any data is read', async (t) => {
  const cases: [options: string, problem: string][] = [
    ['divideBy: 0', 'pipeline.yaml:4:23  stages[1] normalize/scale: divideBy: expected a positive number, got 0'],
    ['subtract: mean', 'pipeline.yaml:4:23  stages[1] normalize/scale: subtract: expected a number, got "mean"'],
    [
      'divideby: 255',
      'pipeline.yaml:4:13  stages[1] normalize/scale: unknown option "divideby"; did you mean "divideBy"?',
    ],
  ]
  for (const [options, problem] of cases) t.equal(await problemsOf(t, `- use: load/digits\n${entry(options)}`), problem)
})
