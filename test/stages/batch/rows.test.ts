import { EMPTY, lastValueFrom, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import {
  fieldsOf,
  kernelRows,
  layoutOf,
  type RowSource,
  splitOf,
  unreadTable,
} from '../../../dist/pipeline/stage-kit.js'
import { errorOf, openStage, problemsOf, runStage } from '../harness.js'
import { countedExamples, examples, featuresIn, labelsIn, positionsOf } from '../tables.js'

t.test('batch/rows cuts a split into batches of `size` rows, the last one short', async (t) => {
  const cases: [rows: number, options: string, sizes: number[]][] = [
    [6, 'size: 2', [2, 2, 2]],
    [5, 'size: 2', [2, 2, 1]],
    [5, 'size: 2, dropLast: true', [2, 2]],
    [5, 'size: 5', [5]],
    [5, 'size: 1', [1, 1, 1, 1, 1]],
    [3, 'size: 10', [3]],
  ]
  for (const [rows, options, sizes] of cases) {
    const { tables } = await runStage(t, `- use: batch/rows\n  with: { ${options}, epochs: 1 }`, {
      examples: [countedExamples(rows)],
    })
    t.strictSame(
      tables.map((table) => table.numRows),
      sizes,
      `${rows} rows, ${options}`,
    )
    t.strictSame(
      tables.flatMap(labelsIn),
      labelsIn(countedExamples(rows)).slice(
        0,
        sizes.reduce((a, b) => a + b),
      ),
      'rows keep their order and labels',
    )
  }
})

t.test('batch/rows notes classes without a row to train on', async (t) => {
  const cases: [labels: number[], classes: string[], notes: string[]][] = [
    [[0, 1, 2], ['a', 'b', 'c'], []],
    [[0, 2, 2], ['a', 'b', 'c'], ['1 of 3 classes has no rows in train: b']],
    [[1, 1], ['a', 'b', 'c'], ['2 of 3 classes have no rows in train: a, c']],
    [[8], [...'abcdefghi'], ['8 of 9 classes have no rows in train: a, b, c, d, e … (8 in all)']],
  ]
  for (const [labels, classes, expected] of cases) {
    const rows = labels.map((label) => [label])
    const others = examples([[1]], [0], { split: 'test', classes })
    const { notes } = await runStage(t, '- use: batch/rows\n  with: { size: 2, epochs: 2 }', {
      examples: [others, examples(rows, labels, { classes })],
    })
    t.strictSame(notes, expected)
  }
})

t.test('batch/rows goes through the split once per epoch and counts the steps on', async (t) => {
  const { tables } = await runStage(t, '- use: batch/rows\n  with: { size: 2, epochs: 2 }', {
    examples: [countedExamples(3)],
  })
  t.strictSame(positionsOf(tables), [
    [1, 1],
    [1, 2],
    [2, 3],
    [2, 4],
  ])
  t.strictSame(tables.map(featuresIn), [
    [
      [0, 1],
      [10, 11],
    ],
    [[20, 21]],
    [
      [0, 1],
      [10, 11],
    ],
    [[20, 21]],
  ])
})

t.test('batch/rows takes the tables of its split only, and joins them where there are several', async (t) => {
  const { tables } = await runStage(t, '- use: batch/rows\n  with: { split: b, size: 3, epochs: 1 }', {
    examples: [
      examples([[1], [2]], [0, 1], { split: 'b' }),
      examples([[9]], [2], { split: 'a' }),
      examples([[3], [4]], [2, 0], { split: 'b' }),
    ],
  })
  t.strictSame(tables.map(featuresIn), [[[1], [2], [3]], [[4]]])
  t.strictSame(tables.map(labelsIn), [[0, 1, 2], [0]])
  t.strictSame(tables.map(splitOf), ['b', 'b'])
})

t.test('batches are views of the rows, and keep shape, classes and the affine map', async (t) => {
  const affine = { mean: Float64Array.of(1, 2, 3, 4), scale: Float64Array.of(1, 1, 1, 1) }
  const whole = examples([[1, 2, 3, 4]], [0], { shape: [1, 2, 2], classes: ['x', 'y'], affine })
  const { tables } = await runStage(t, '- use: batch/rows\n  with: { size: 1, epochs: 1 }', { examples: [whole] })
  t.equal(kernelRows(tables[0]!).values.buffer, kernelRows(whole).values.buffer)
  t.strictSame(layoutOf(tables[0]!), { ...layoutOf(whole), counts: [1, 0] }, 'and tell how many rows each class has')
})

t.test('batch/rows says what is missing where it has nothing to give', async (t) => {
  const cases = [
    [EMPTY, '', 'no rows of the split "train" arrived'],
    [[countedExamples(1, { split: 'test' })], '', 'no rows of the split "train" arrived'],
    [[countedExamples(0)], '', 'the split "train" has no rows'],
    [
      [countedExamples(3)],
      ', dropLast: true',
      'the split "train" has 3 rows, less than one batch of 4, and dropLast leaves it out',
    ],
  ] as const
  for (const [given, option, message] of cases)
    t.strictSame(
      await errorOf(runStage(t, `- use: batch/rows\n  with: { size: 4, epochs: 1${option} }`, { examples: given })),
      ['DATA', message],
    )
})

t.test('batch/rows passes an error on, and stops where nobody listens any more', async (t) => {
  const error = new Error('upstream')
  const entry = '- use: batch/rows\n  with: { size: 1, epochs: 1000000000 }'
  await t.rejects(runStage(t, entry, { examples: throwError(() => error) }), error)
  const { tables } = openStage(t, entry, { examples: [countedExamples(2)] })
  const taken = await lastValueFrom(tables.pipe(take(3), toArray()))
  t.strictSame(positionsOf(taken), [
    [1, 1],
    [1, 2],
    [2, 3],
  ])
})

t.test('batch/rows rejects wrong options before any data is read', async (t) => {
  const cases: [options: string, problem: string][] = [
    ['{ size: 0, epochs: 1 }', 'pipeline.yaml:4:19  stages[1] batch/rows: size: expected a positive integer, got 0'],
    [
      '{ size: 2.5, epochs: 1 }',
      'pipeline.yaml:4:19  stages[1] batch/rows: size: expected a positive integer, got 2.5',
    ],
    ['{ epochs: 1 }', 'pipeline.yaml:4:11  stages[1] batch/rows: size is required: expected a positive integer'],
    [
      '{ size: 2, epochs: 1, dropLst: true }',
      'pipeline.yaml:4:33  stages[1] batch/rows: unknown option "dropLst"; did you mean "dropLast"?',
    ],
    [
      '{ size: 2, epochs: 1, split: trian }',
      'pipeline.yaml:4:40  stages[1] batch/rows: split: no split named "trian" reaches this stage; it has train, validation and test',
    ],
  ]
  for (const [options, problem] of cases)
    t.equal(await problemsOf(t, `- use: load/digits\n- use: batch/rows\n  with: ${options}`), problem)
})

t.test('batches of a file that are read ahead begin no epoch before they are emitted', async (t) => {
  const rows = kernelRows(countedExamples(8))
  const read = (from: number, to: number) => ({
    values: rows.values.slice(2 * from, 2 * to),
    labels: rows.labels.slice(from, to),
  })
  const source: RowSource = {
    ...{ rows: 8, width: 2, rowBytes: 6, counts: [3, 3, 2], perRow: [] },
    read: async (from, to) => read(from, to),
    readNow: read,
  }
  const table = unreadTable(fieldsOf(countedExamples(8)), source, 'train', () => {})
  for (const [emitted, epoch] of [
    [3, 1],
    [4, 1],
    [5, 2],
  ] as const) {
    const stage = openStage(t, '- use: batch/rows\n  with: { size: 2, epochs: 3 }', { examples: [table] })
    await lastValueFrom(stage.tables.pipe(take(emitted)))
    t.strictSame(await stage.snapshot(), { epoch }, `${emitted} batches`)
  }
})
