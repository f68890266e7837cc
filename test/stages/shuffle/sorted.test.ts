import t, { type Test } from 'tap'
import { batches } from '../../../dist/pipeline/wires/plain-rows.js'
import { runStage } from '../harness.js'

async function notes(t: Test, use: string, labels: readonly number[], size = 5): Promise<readonly string[]> {
  const values = labels.map((_, i) => [i % 200])
  const tables = batches({ values, labels, classes: ['a', 'b', 'c'] }, { size, epochs: 2 })
  return (await runStage(t, `- use: shuffle/${use}`, { batches: tables })).notes
}

t.test('rows sorted by label that are not mixed are told, once', async (t) => {
  const index = Array.from({ length: 60 }, (_, i) => i)
  const sorted = index.map((i) => Math.floor(i / 20))
  const rare = index.map((i) => (i === 30 ? 1 : 0))
  for (const use of ['batches', 'none']) {
    t.strictSame(await notes(t, use, sorted), [
      '12 of 12 batches hold rows of one class only: the rows are sorted by label, and this stage does not mix them; shuffle/rows does',
    ])
    t.strictSame(
      await notes(
        t,
        use,
        index.map((i) => i % 3),
      ),
      [],
      'mixed',
    )
    t.strictSame(await notes(t, use, rare), [], 'most rows are of one class anyway')
    t.strictSame(await notes(t, use, sorted, 30), [], 'too few batches to tell')
    t.strictSame(await notes(t, use, sorted, 2), [], 'batches are small')
  }
  t.strictSame(await notes(t, 'rows', sorted), [])
})
