// The test of a stage of your own, with the test runner of Node: node --test examples/
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pipeline } from 'millrace'
import { positionOf, rowsOf } from 'millrace/stage'
import { batches, runStage } from 'millrace/testing'
import noise from './noise.js'

// Two batches of two images with 2 x 2 pixels.
const image = [10, 20, 30, 40]
const given = batches({ values: [image, image, image, image], labels: [0, 1, 1, 0], shape: [2, 2] }, { size: 2 })
const valuesOf = (tables) => tables.map((table) => [...rowsOf(table).values])

test('every pixel changes by at most the amount, and nothing else changes', async () => {
  const { tables } = await runStage({ use: noise, with: { amount: 2 } }, { batches: given })
  for (const [i, table] of tables.entries()) {
    assert.deepEqual(positionOf(table), positionOf(given[i]))
    assert.deepEqual(rowsOf(table).labels, rowsOf(given[i]).labels)
    const changes = rowsOf(table).values.map((value, j) => Math.abs(value - rowsOf(given[i]).values[j]))
    assert.ok(Math.max(...changes) <= 2)
    assert.notDeepEqual(rowsOf(table).values, rowsOf(given[i]).values)
  }
})

test('the noise depends on the seed and the step alone, so that a resumed run repeats it', async () => {
  const use = { use: noise, with: { amount: 9 } }
  const [first, second] = valuesOf((await runStage(use, { batches: given })).tables)
  assert.notDeepEqual(first, second)
  assert.deepEqual(valuesOf((await runStage(use, { batches: given.slice(1) })).tables), [second])
  assert.notDeepEqual(valuesOf((await runStage(use, { batches: given }, { seed: 2 })).tables), [first, second])
})

test('the pipeline refuses an amount that makes no sense', async () => {
  const stages = [
    { use: 'load/digits' },
    { use: 'batch/rows', with: { size: 32, epochs: 1 } },
    { use: noise, with: { amount: 0 } },
  ]
  await assert.rejects(Pipeline.define({ name: 'noisy', stages }), {
    code: 'DEFINITION',
    message: /noise: amount: expected a positive integer, got 0/,
  })
})
