import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Table } from 'apache-arrow'
import { Subject } from 'rxjs'
import t from 'tap'
import { metricsTable } from '../../../dist/pipeline/stage-kit.js'
import { openStage, runStage } from '../harness.js'

const entry = '- use: sink/dvclive\n  with: { params: { eta: 0.1, hidden: [50, 20] } }'
const infos = {
  train_loss: { split: 'train', name: 'loss', title: 'loss' },
  '../x_loss': { split: '../x', name: 'loss', title: 'loss' },
}
const tables = [0.5, Number.NaN, 1 / 3].map((loss, i) =>
  metricsTable(
    { epoch: i + 1, step: 10 * (i + 1), epochs: 3, steps: 10 },
    { train_loss: loss, '../x_loss': 2, eta: 1 },
    infos,
  ),
)

/** All files of a folder, by their paths. */
function filesIn(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return Object.fromEntries(
    entries.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')]
    }),
  )
}

t.test('the layout is that of DVCLive, and no name of a split leads out of it', async (t) => {
  const { directory } = await runStage(t, entry, { metrics: tables })
  const { 'params.yaml': params, 'metrics.json': metrics, ...plots } = filesIn(join(directory, 'dvclive'))
  t.equal(params, 'eta: 0.1\nhidden:\n  - 50\n  - 20\n')
  t.strictSame(JSON.parse(metrics!), { step: 30, epoch: 3, train: { loss: 1 / 3 }, '../x': { loss: 2 }, eta: 1 })
  t.equal(plots['plots/metrics/train/loss.tsv'], 'step\tloss\n10\t0.5\n20\tNaN\n30\t0.3333333333333333\n')
  t.equal(plots['plots/metrics/eta.tsv'], 'step\teta\n10\t1\n20\t1\n30\t1\n')
  t.equal(Object.keys(plots).length, 3)
})

t.test('a killed run goes on, and gives the same files', async (t) => {
  const whole = await runStage(t, entry, { metrics: tables })
  for (const seen of [0, 1, 2]) {
    const source = new Subject<Table>()
    const killed = openStage(t, entry, { metrics: source })
    const subscription = killed.tables.subscribe()
    for (const table of tables.slice(0, seen)) source.next(table)
    const state = await killed.snapshot()
    for (const table of tables.slice(seen, seen + 1)) source.next(table)
    subscription.unsubscribe()
    const resumed = await runStage(t, entry, { metrics: tables }, { state, directory: killed.directory })
    t.strictSame(
      filesIn(join(resumed.directory, 'dvclive')),
      filesIn(join(whole.directory, 'dvclive')),
      `after ${seen}`,
    )
  }
})
