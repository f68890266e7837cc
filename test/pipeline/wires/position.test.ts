import { Int32, Schema, Table, vectorFromArray } from 'apache-arrow'
import t from 'tap'
import {
  int32Of,
  lazyTable,
  numberOf,
  positionOf,
  reposition,
  writePosition,
} from '../../../dist/pipeline/wires/position.js'

t.test('a position is written to metadata, beside what is there, and read back', async (t) => {
  const position = { epoch: 2, step: 7, epochs: 3, steps: 5 }
  const metadata = writePosition(new Map([['wire', 'batch']]), position)
  t.equal(metadata.get('wire'), 'batch')
  t.strictSame(positionOf(new Table(new Schema([], metadata))), position)
})

t.test('a table without a position is at 0', async (t) => {
  t.strictSame(positionOf(new Table(new Schema([]))), { epoch: 0, step: 0, epochs: 0, steps: 0 })
})

t.test('a lazy table is made once, on first access, and its position is known before', async (t) => {
  const position = { epoch: 1, step: 2, epochs: 3, steps: 4 }
  let made = 0
  const table = lazyTable(position, () => {
    made++
    return new Table({ x: vectorFromArray([1, 2, 3], new Int32()) })
  })
  t.ok(table instanceof Table)
  t.equal(positionOf(table), position)
  t.equal(made, 0)
  t.equal(table.numRows, 3)
  t.strictSame([...table.getChild('x')!], [1, 2, 3])
  t.strictSame(table.schema.names, ['x'])
  t.equal(table.slice(1).numRows, 2)
  t.equal(made, 1)
})

t.test('numberOf reads numbers of the metadata, of a table at another position too', async (t) => {
  const base = new Table(new Schema([], new Map([['lambda', '0.5']])))
  const moved = reposition(base, { epoch: 1, step: 2, epochs: 3, steps: 4 }, { eta: 0.1 })
  t.strictSame(
    ['lambda', 'eta', 'other'].map((key) => [numberOf(base, key), numberOf(moved, key)]),
    [
      [0.5, 0.5],
      [0, 0.1],
      [0, 0],
    ],
  )
})

t.test('a number that an int32 column would turn negative is refused', async (t) => {
  t.equal(int32Of('step', 2 ** 31 - 1), 2147483647)
  t.throws(() => int32Of('step', 2 ** 31), {
    name: 'RangeError',
    message: 'step is 2147483648: the column of an Arrow table has 32 bits, 2147483647 at most',
  })
})
