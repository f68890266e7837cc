import t from 'tap'
import {
  type Cell,
  type Column,
  encodeCell,
  exampleFields,
  examplesTable,
  featureNames,
  featuresOfColumn,
  layoutOf,
  modelOf,
  parametersTables,
} from '../../../dist/pipeline/stage-kit.js'

const age: Column = { kind: 'number', name: 'age', fill: 30 }
const size: Column = { kind: 'number', name: 'size' }
const color: Column = {
  kind: 'category',
  name: 'color',
  encode: 'one-hot',
  categories: ['blue', 'red'],
  unseen: 'error',
}
const grade: Column = {
  kind: 'category',
  name: 'grade',
  encode: 'ordinal',
  categories: ['a', 'b', 'c'],
  fill: 'b',
  unseen: 'ignore',
}

function encoded(column: Column, cell: Cell): number[] | string {
  const to = new Array<number>(featuresOfColumn(column)).fill(Number.NaN)
  try {
    encodeCell(column, cell, to, 0)
    return to
  } catch (error) {
    return (error as Error).message
  }
}

t.test('cells become features', async (t) => {
  const cases: [Column, Cell, number[] | string][] = [
    [age, '4.5', [4.5]],
    [age, true, [1]],
    [age, 7n, [7]],
    [age, null, [30]],
    [age, Number.NaN, [30]],
    [age, '  ', [30]],
    [age, ' 7 ', [7]],
    [size, '\t', 'column size: expected a number, got nothing'],
    [size, '', 'column size: expected a number, got nothing'],
    [size, 'x', 'column size: expected a finite number, got "x"'],
    [size, 1e39, 'column size: expected a number that float32 can hold, got "1e+39"'],
    [color, 'red', [0, 1]],
    [color, ' red\n', [0, 1]],
    [color, ' ', 'column color: expected a category, got nothing'],
    [color, 'green', 'column color: expected one of blue, red, got "green"'],
    [color, undefined, 'column color: expected a category, got nothing'],
    [grade, 'c', [2]],
    [grade, null, [1]],
    [grade, 'd', [-1]],
    [{ ...grade, categories: ['a', '', 'b'] }, '', [1]],
  ]
  for (const [column, cell, expected] of cases) t.strictSame(encoded(column, cell), expected, `${column.name} ${cell}`)
  t.strictSame(featureNames([age, color, grade]), ['age', 'color=blue', 'color=red', 'grade'])
})

t.test('tables of examples and parameters carry the columns and the name of the label', async (t) => {
  const columns = [age, color]
  const layout = { shape: [3], classes: ['n', 'y'], names: featureNames(columns), columns, label: 'bought' }
  const made = examplesTable(exampleFields(layout, new Float32Array(0)), new Float32Array(3), Int32Array.of(1), 'train')
  const parameters = parametersTables({ learner: 'softmax', options: {}, lambda: 0, arrays: [], ...layout })
  const model = modelOf(parameters({ epoch: 1, step: 1, epochs: 1, steps: 1 }, 0.1))
  for (const { label, columns } of [layoutOf(made), model]) t.strictSame([label, columns], ['bought', layout.columns])
  // Without the tables' own caches, as after reading a file.
  const copy = made.schema.fields.map((field) => field.clone()) as Parameters<typeof examplesTable>[0]
  const { columns: read, label } = layoutOf(examplesTable(copy, new Float32Array(3), Int32Array.of(1), 'train'))
  t.strictSame([label, read], ['bought', columns])
})
