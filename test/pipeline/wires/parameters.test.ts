import { readFileSync } from 'node:fs'
import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import { arraysOf, copyParameters, modelOf, parametersTables } from '../../../dist/pipeline/wires/parameters.js'
import { positionOf } from '../../../dist/pipeline/wires/position.js'

const position = { epoch: 1, step: 4, epochs: 2, steps: 4 }
function model<A extends Float32Array | Float64Array>(W: A, b: A) {
  return {
    learner: 'softmax',
    options: {},
    shape: [1, 3],
    names: undefined,
    classes: ['a', 'b "quoted"'],
    affine: undefined,
    lambda: 0.1,
    arrays: [
      { name: 'W', shape: [2, 3], values: W },
      { name: 'b', shape: [2], values: b },
    ],
  }
}
const zeros = model(new Float32Array(6), new Float32Array(2))

/** A model that says all that can be said. */
const full = {
  ...model(Float64Array.of(1, 2, 3, 4, 5, 6), Float64Array.of(7, 8)),
  learner: 'my own',
  options: { margin: 0.1 + 0.2, layers: [{ units: 3, kind: 'relu' }], bias: true },
  names: ['Länge', 'a, "b"', ''],
  affine: { mean: Float64Array.of(0.1 + 0.2, -1e300, 0), scale: Float64Array.of(1 / 3, 0, 5e-324) },
}

t.test('a model of either precision reads back as it was, through a file too', async (t) => {
  for (const Values of [Float32Array, Float64Array]) {
    const made = model(Values.of(1, 2, 3, 4, 5, 0.1), Values.of(-1, 0.3))
    const table = parametersTables(made)(position, 0.05)
    for (const each of [table, tableFromIPC(tableToIPC(copyParameters(table), 'file'))]) {
      t.strictSame(modelOf(each), { ...made, eta: 0.05 })
      t.strictSame(positionOf(each), position)
    }
  }
})

t.test(
  'learner, options, names and standardisation read back as they were: copied, from a file, from a stream',
  (t) => {
    const table = parametersTables(full)(position, 0.05)
    const again = copyParameters(tableFromIPC(tableToIPC(table, 'file')))
    for (const each of [
      table,
      copyParameters(table),
      tableFromIPC(tableToIPC(table, 'file')),
      tableFromIPC(tableToIPC(table, 'stream')),
      tableFromIPC(tableToIPC(again, 'file')),
    ])
      t.strictSame(modelOf(each), { ...full, eta: 0.05 })
    t.end()
  },
)

t.test('what a model does not have is not written', (t) => {
  const keys = (made: typeof zeros | typeof full) => [...parametersTables(made)(position, 0).schema.metadata.keys()]
  const always = ['wire', 'model', 'features', 'classes', 'lambda', 'epoch', 'step', 'epochs', 'steps', 'eta']
  t.strictSame(keys(zeros).sort(), [...always].sort())
  t.strictSame(keys(full).sort(), [...always, 'options', 'names', 'affine.mean', 'affine.scale'].sort())
  t.end()
})

t.test('a file of version 0.1.0, without options, names and standardisation, is read', (t) => {
  const table = tableFromIPC(readFileSync(new URL('parameters-0.1.0.arrow', import.meta.url)))
  const { arrays, ...rest } = modelOf(table)
  t.strictSame(rest, {
    learner: 'softmax',
    options: {},
    shape: [2],
    names: undefined,
    classes: ['a', 'b'],
    affine: undefined,
    lambda: 0.01,
    eta: 0.1,
  })
  t.strictSame(
    arrays.map(({ name, shape, values }) => [name, shape, values.constructor.name, values[0]]),
    [
      ['W', [2, 2], 'Float32Array', -0.018678393214941025],
      ['b', [2], 'Float32Array', -0.016275640577077866],
    ],
  )
  t.strictSame(positionOf(table), { epoch: 2, step: 4, epochs: 2, steps: 2 })
  t.end()
})

t.test('parameters without the name of their learner are refused', (t) => {
  const { learner: _, ...nameless } = zeros
  for (const [given, got] of [
    [nameless, 'undefined'],
    [{ ...nameless, model: 'softmax' }, 'undefined'],
    [{ ...nameless, learner: '' }, '""'],
    [{ ...nameless, learner: null }, 'null'],
  ] as const)
    t.throws(() => parametersTables(given as never), {
      name: 'TypeError',
      message: `parametersTables: expected \`learner\`, the name of the learner that made the parameters, got ${got}`,
    })
  t.end()
})

t.test('a table shows the arrays as they are now; a copy keeps them as they were', async (t) => {
  const made = model(new Float32Array(6), new Float32Array(2))
  const table = parametersTables(made)(position, 0.05)
  const copy = copyParameters(table)
  made.arrays[0]!.values[5] = 7
  t.equal(modelOf(table).arrays[0]!.values[5], 7)
  t.equal(modelOf(copy).arrays[0]!.values[5], 0)
  t.strictSame(modelOf(copy), { ...made, arrays: modelOf(copy).arrays, eta: 0.05 })
})

t.test('arraysOf gives the arrays by name, whatever their order', async (t) => {
  const { arrays } = model(Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(7, 8))
  const { W, b, ...none } = arraysOf({ arrays: [...arrays].reverse() })
  t.equal(W, arrays[0]!.values, 'they are not copied')
  t.equal(b, arrays[1]!.values)
  t.strictSame(none, {})
})

t.test('an array that the int32 offsets of an Arrow list do not reach is refused', async (t) => {
  const long = Object.create(Float32Array.prototype, { length: { value: 2 ** 31 } }) as Float32Array
  t.throws(() => parametersTables(model(long, new Float32Array(2))), {
    name: 'RangeError',
    message: 'parametersTables: the array "W" has 2147483648 numbers, a list of an Arrow table has 2147483647 at most',
  })
})
