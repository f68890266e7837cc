import t from 'tap'
import { kernelRows, layoutOf, positionOf, splitOf } from '../../../dist/pipeline/stage-kit.js'
import { batches, examples } from '../../../dist/pipeline/wires/plain-rows.js'

t.test('examples makes a table of plain numbers, with defaults for all that is not given', async (t) => {
  const plain = examples({
    values: [
      [1, 255],
      [0, 3],
    ],
    labels: [2, 0],
  })
  t.strictSame(kernelRows(plain), {
    values: Uint8Array.of(1, 255, 0, 3),
    labels: Int32Array.of(2, 0),
    affine: undefined,
  })
  t.strictSame(layoutOf(plain), { shape: [2], classes: ['0', '1', '2'], affine: undefined, names: undefined })
  t.strictSame([splitOf(plain), plain.schema.metadata.get('wire')], ['train', 'examples'])
  const affine = { mean: Float64Array.of(1, 1), scale: Float64Array.of(2, 2) }
  const given = examples({ values: [[1, 2]], split: 'test', shape: [1, 2], classes: ['a', 'b'], affine })
  t.strictSame(layoutOf(given), { shape: [1, 2], classes: ['a', 'b'], affine, names: undefined })
  t.equal(splitOf(given), 'test')
  t.strictSame(kernelRows(examples({ values: [[0.5]], type: 'float32' })).values, Float32Array.of(0.5))
  t.equal(examples({ values: [] }).numRows, 0)
})

t.test('batches cuts rows in order, the same in every epoch', async (t) => {
  const tables = batches({ values: [[1], [2], [3]], labels: [0, 1, 0] }, { size: 2, epochs: 2 })
  t.strictSame(
    tables.map((table) => [...kernelRows(table).values]),
    [[1, 2], [3], [1, 2], [3]],
  )
  t.strictSame(
    tables.map((table) => positionOf(table)),
    [1, 2, 3, 4].map((step) => ({ epoch: Math.ceil(step / 2), step, epochs: 2, steps: 2 })),
  )
  t.strictSame(layoutOf(tables[1]!).classes, ['0', '1'])
  t.equal(tables[0]!.schema.metadata.get('wire'), 'batch')
})

t.test('as many rows as a data set has', async (t) => {
  const labels = Array.from({ length: 200_000 }, (_, i) => i % 3)
  t.equal(examples({ values: labels.map(() => [1]), labels }).numRows, 200_000)
})

t.test('numbers that do not fit together are refused', async (t) => {
  const cases: [rows: Parameters<typeof examples>[0], message: string][] = [
    [{ values: [[256]] }, "values: expected whole numbers from 0 to 255, got 256; give type: 'float32'"],
    [{ values: [[0.5]] }, "values: expected whole numbers from 0 to 255, got 0.5; give type: 'float32'"],
    [{ values: [[1], [2, 3]] }, 'values: expected 1 in each row, because the shape is 1'],
    [{ values: [[1, 2]], shape: [2, 2] }, 'values: expected 4 in each row, because the shape is 2x2'],
    [{ values: [[1]], labels: [] }, 'labels: expected one for each of the 1 row, got 0'],
    [{ values: [[1]], labels: [2], classes: ['a'] }, 'labels: expected indices into the 1 class, got 2'],
    [{ values: [[1]], labels: [-1] }, 'labels: expected indices into the 0 classes, got -1'],
  ]
  for (const [rows, message] of cases) t.throws(() => examples(rows), { name: 'RangeError', message })
})
