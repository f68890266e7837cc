import { tableFromIPC, tableToIPC } from 'apache-arrow'
import t from 'tap'
import {
  copyParameters,
  modelOf,
  parametersTables,
  softmaxParameters,
} from '../../../dist/pipeline/wires/parameters.js'
import { positionOf } from '../../../dist/pipeline/wires/position.js'

const position = { epoch: 1, step: 4, epochs: 2, steps: 4 }
function model<A extends Float32Array | Float64Array>(W: A, b: A) {
  return {
    model: 'softmax',
    shape: [1, 3],
    classes: ['a', 'b "quoted"'],
    lambda: 0.1,
    arrays: [
      { name: 'W', shape: [2, 3], values: W },
      { name: 'b', shape: [2], values: b },
    ],
  }
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

t.test('a table shows the arrays as they are now; a copy keeps them as they were', async (t) => {
  const made = model(new Float32Array(6), new Float32Array(2))
  const table = parametersTables(made)(position, 0.05)
  const copy = copyParameters(table)
  made.arrays[0]!.values[5] = 7
  t.equal(modelOf(table).arrays[0]!.values[5], 7)
  t.equal(modelOf(copy).arrays[0]!.values[5], 0)
  t.strictSame(modelOf(copy), { ...made, arrays: modelOf(copy).arrays, eta: 0.05 })
})

t.test('softmaxParameters finds W and b by name, and refuses other models', async (t) => {
  const made = { ...model(Float32Array.of(1, 2, 3, 4, 5, 6), Float32Array.of(7, 8)), eta: 1 }
  const { W, b } = softmaxParameters({ ...made, arrays: [...made.arrays].reverse() })
  t.strictSame([...W, ...b], [1, 2, 3, 4, 5, 6, 7, 8])
  t.throws(() => softmaxParameters({ ...made, arrays: made.arrays.slice(0, 1) }), {
    message: 'expected a softmax model with the arrays W and b, got W',
  })
})
