import t from 'tap'
import { problemsOf, runStage } from '../harness.js'
import { examples, featuresIn } from '../tables.js'

const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }

t.test('augment/flip mirrors rows of pixels, each channel for itself, in both orders of axes', async (t) => {
  const cases: [shape: number[], from: number[], to: number[]][] = [
    [
      [2, 3],
      [1, 2, 3, 4, 5, 6],
      [3, 2, 1, 6, 5, 4],
    ],
    [
      [3, 2, 2],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      [2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11],
    ],
    [
      [2, 2, 3],
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
      [4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9],
    ],
  ]
  for (const [shape, from, to] of cases) {
    const batches = [examples([from], [0], { shape, position })]
    const { tables } = await runStage(t, '- use: augment/flip\n  with: { probability: 1 }', { batches })
    t.strictSame(featuresIn(tables[0]!), [to], shape.join('x'))
  }
})

t.test('about half of the images are mirrored, or as many as the probability says', async (t) => {
  const batches = [examples(new Array(1000).fill([0, 1, 0, 0]), new Array(1000).fill(0), { shape: [2, 2], position })]
  for (const [options, expected] of [
    ['{}', 500],
    ['{ probability: 0.1 }', 100],
  ] as const) {
    const { tables } = await runStage(t, `- use: augment/flip\n  with: ${options}`, { batches })
    const mirrored = featuresIn(tables[0]!).filter(([first]) => first === 1).length
    t.ok(Math.abs(mirrored - expected) < 60, `${mirrored} of 1000, expected about ${expected}`)
  }
})

t.test('examples that are no images, and batches that are not cut yet, are refused', async (t) => {
  const csv =
    '- use: load/csv\n  with: { path: x.csv, shape: [4] }\n- use: batch/rows\n  with: { size: 1, epochs: 1 }\n'
  for (const use of ['augment/flip', 'augment/crop'])
    t.equal(
      await problemsOf(t, `${csv}- use: ${use}`),
      `pipeline.yaml:6:5  stages[2] ${use}: expected images, such as 1x28x28 or 32x32x3, found examples of the shape 4; give the shape where they are loaded, or leave this stage out`,
    )
  t.match(await problemsOf(t, '- use: load/digits\n- use: augment/flip'), /the input "batches" takes a "batch" wire/)
  t.match(
    await problemsOf(
      t,
      '- use: load/digits\n- use: batch/rows\n  with: { size: 1, epochs: 1 }\n- use: augment/flip\n  with: { probability: 0 }',
    ),
    /probability: expected a number above 0 and at most 1, got 0/,
  )
  // The shape may be known only from the rows.
  const batches = [examples([[1, 2, 3, 4]], [0], { position })]
  await t.rejects(runStage(t, '- use: augment/flip', { batches }), {
    code: 'DATA',
    message: /found examples of the shape 4;/,
  })
})
