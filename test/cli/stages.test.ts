import t from 'tap'
import { millrace } from './in-process.js'

t.test('stages lists every stage with its summary', async (t) => {
  const { code, stdout } = await millrace(['stages'], t.testdir())
  t.equal(code, 0)
  t.match(stdout, /^batch\/rows +Cuts a split into batches of a fixed number of rows, once per epoch\.\n/m)
  t.match(stdout, /\nsink\/terminal /)
})

t.test('stages NAME explains options, defaults, ports and gives an example', async (t) => {
  const { code, stdout } = await millrace(['stages', 'batch/rows'], t.testdir())
  t.equal(code, 0)
  t.equal(
    stdout,
    `batch/rows: Cuts a split into batches of a fixed number of rows, once per epoch.

inputs:  examples
outputs: batches (batch)
holds:   the split (by reference); of a split in a file three windows

options:
  split: a non-empty string (default "train")
      The split to train on.
  size: a positive integer (required)
      Rows per batch.
  epochs: a positive integer (required)
      How often to go through the split.
  dropLast: true or false (default false)
      Leave out a short last batch.

example:
  - use: batch/rows
    with: { split: train, size: 100, epochs: 40 }
`,
  )
})

t.test('stages --json carries the JSON Schema of the options', async (t) => {
  const { stdout } = await millrace(['stages', 'batch/rows', '--json'], t.testdir())
  const { options } = JSON.parse(stdout)
  t.match(options, { type: 'object', additionalProperties: false, required: ['size', 'epochs'] })
})

t.test('stages explains a stage file', async (t) => {
  const cwd = t.testdir({
    'mine.js': `import { defineStage, wire, z } from 'millrace/stage'
export default defineStage({ name: 'mine', summary: 'Does nothing.', options: z.strictObject({}), inputs: { batches: wire.batch },
  outputs: { batches: wire.batch }, example: '- use: ./mine.js', run: () => (batches) => batches })`,
  })
  const { code, stdout } = await millrace(['stages', './mine.js'], cwd)
  t.equal(code, 0)
  t.match(stdout, /^mine: Does nothing\.\n/)
})
