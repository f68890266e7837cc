// The test of a stage of your own, with the test runner of Node: node --test examples/
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pipeline } from 'millrace'
import { exampleFields, examplesTable, positionOf, storedRows } from 'millrace/stage'
import { batches, runStage } from 'millrace/testing'
import noise from './noise.js'

// Two batches of two images with 2 x 2 pixels.
const image = [10, 20, 30, 40]
const given = batches({ values: [image, image, image, image], labels: [0, 1, 1, 0], shape: [2, 2] }, { size: 2 })
const valuesOf = (tables) => tables.map((table) => [...storedRows(table).stored])

test('every pixel changes by at most the amount, and nothing else changes', async () => {
  const { tables } = await runStage({ use: noise, with: { amount: 2 } }, { batches: given })
  for (const [i, table] of tables.entries()) {
    assert.deepEqual(positionOf(table), positionOf(given[i]))
    assert.deepEqual(storedRows(table).labels, storedRows(given[i]).labels)
    const changes = storedRows(table).stored.map((value, j) => Math.abs(value - storedRows(given[i]).stored[j]))
    assert.ok(Math.max(...changes) <= 2)
    assert.notDeepEqual(storedRows(table).stored, storedRows(given[i]).stored)
  }
})

test('bytes stay in 0 … 255 at both ends: they do not wrap around', async () => {
  const values = Array.from({ length: 50 }, () => [0, 3, 250, 255])
  const [[...noisy]] = valuesOf(
    (await runStage({ use: noise, with: { amount: 10 } }, { batches: batches({ values }, { size: 50 }) })).tables,
  )
  for (const [i, value] of noisy.entries()) assert.ok(Math.abs(value - values[0][i % 4]) <= 10, `${value}`)
  assert.ok(noisy.includes(0) && noisy.includes(255))
})

test('floats change by fractions, and noise on standardised floats is standardised too', async () => {
  const stored = new Float32Array(200)
  const layout = { shape: [2], classes: ['a', 'b'] }
  const applied = { mean: Float64Array.of(5, 5), scale: Float64Array.of(10, 0) }
  for (const [fields, most] of [
    [exampleFields(layout, stored), [0.5, 0.5]],
    [exampleFields({ ...layout, applied }, stored), [5, 0]],
  ]) {
    const batch = examplesTable(fields, stored, new Int32Array(100), 'train', positionOf(given[0]))
    const [noisy] = valuesOf((await runStage({ use: noise, with: { amount: 0.5 } }, { batches: [batch] })).tables)
    for (const [j, limit] of most.entries()) {
      const changes = noisy.filter((_, i) => i % 2 === j).map(Math.abs)
      assert.ok(Math.max(...changes) <= limit && Math.max(...changes) >= 0.8 * limit)
    }
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
    message: /noise: amount: expected a positive number, got 0/,
  })
})
