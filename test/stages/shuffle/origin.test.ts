import type { Table } from 'apache-arrow'
import t from 'tap'
import { exampleFields, examplesTable, kernelRows } from '../../../dist/pipeline/stage-kit.js'
import { runStage } from '../harness.js'
import { countedBatches } from '../tables.js'

const entries = ['- use: shuffle/rows', '- use: shuffle/buffer\n  with: { size: 5 }']

/** Eleven rows of two features, from the fourth row of their memory on, in batches of four for two epochs. */
async function batchesOfASplit(memory: Uint8Array | Float32Array): Promise<Table[]> {
  const values = memory.map((_, i) => i).subarray(6, 28)
  const labels = Int32Array.from({ length: 11 }, (_, i) => i % 3)
  const split = examplesTable(exampleFields({ shape: [2], classes: ['a', 'b', 'c'] }, values), values, labels, 'train')
  return (await runStage(t, '- use: batch/rows\n  with: { size: 4, epochs: 2 }', { examples: [split] })).tables
}

t.test('copied rows tell where in the memory of their split they come from', async (t) => {
  for (const entry of entries)
    for (const memory of [new Uint8Array(30), new Float32Array(30)]) {
      const batches = await batchesOfASplit(memory)
      const { tables } = await runStage(t, entry, { batches })
      t.equal(tables.length, 6)
      for (const { values, origin } of tables.map(kernelRows)) {
        t.strictSame(origin!.values.buffer, kernelRows(batches[0]!).values.buffer)
        const found = [...origin!.rows].flatMap((row) => [...origin!.values.subarray(2 * row, 2 * row + 2)])
        t.strictSame(found, [...values])
      }
    }
})

t.test('rows of several memories have no origin', async (t) => {
  for (const entry of entries) {
    const [batch] = await batchesOfASplit(new Uint8Array(30))
    const mixed = [batch!, countedBatches([4, 4], 1)[1]!]
    for (const batches of [countedBatches([4, 4], 1), mixed]) {
      const { tables } = await runStage(t, entry, { batches })
      t.equal(tables.length, 2)
      t.ok(tables.slice(-1).every((table) => kernelRows(table).origin === undefined))
    }
  }
})
