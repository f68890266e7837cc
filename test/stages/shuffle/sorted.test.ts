import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Table } from 'apache-arrow'
import { from } from 'rxjs'
import t, { type Test } from 'tap'
import type { StageContext } from '../../../dist/pipeline/stage-kit.js'
import { batches } from '../../../dist/pipeline/wires/plain-rows.js'
import { none } from '../../../dist/stages/shuffle/none.js'
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

t.test('no batch is kept to look at it', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const seen: WeakRef<Table>[] = []
  let alive = 0
  async function* source() {
    for (let i = 0; i < 30; i++) {
      const [table] = batches({ values: [[i], [i]], labels: [0, 1], classes: ['a', 'b'] }, { size: 2, epochs: 1 })
      seen.push(new WeakRef(table!))
      yield table!
      // Objects that a WeakRef was asked for stay until the next turn.
      await new Promise((resolve) => setImmediate(resolve))
      if (i < 29) continue
      collect()
      alive = seen.filter((each) => each.deref()).length
    }
  }
  const context = { parallel: { isDivided: false }, note: () => {} } as unknown as StageContext
  await new Promise<void>((complete, error) => none.run({}, context)(from(source())).subscribe({ complete, error }))
  t.ok(alive < 5, `${alive} of 30 batches are there`)
})
