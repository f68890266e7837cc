import { Schema, Table } from 'apache-arrow'
import t from 'tap'
import { endsEpoch, positionOf, writePosition } from '../../../dist/pipeline/wires/position.js'

t.test('a position is written to metadata, beside what is there, and read back', async (t) => {
  const position = { epoch: 2, step: 7, epochs: 3, steps: 5 }
  const metadata = writePosition(new Map([['wire', 'batch']]), position)
  t.equal(metadata.get('wire'), 'batch')
  t.strictSame(positionOf(new Table(new Schema([], metadata))), position)
})

t.test('a table without a position is at 0', async (t) => {
  t.strictSame(positionOf(new Table(new Schema([]))), { epoch: 0, step: 0, epochs: 0, steps: 0 })
})

t.test('endsEpoch is true for the last step of an epoch only', async (t) => {
  for (const [step, steps, expected] of [
    [5, 5, true],
    [10, 5, true],
    [4, 5, false],
    [6, 5, false],
    [1, 1, true],
    [0, 5, false],
    [0, 0, false],
  ] as const)
    t.equal(endsEpoch({ epoch: 1, step, epochs: 2, steps }), expected, `${step} of ${steps}`)
})
