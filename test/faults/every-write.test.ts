import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline, PipelineError, resume, run } from '../../dist/index.js'
import { checkFigures } from '../docs/figures.js'
import { temporary } from '../stages/harness.js'
import { failingDisk } from './failing-disk.js'
import { checkWhole } from './sandbox.js'

/** A short run that writes files of every kind: growing ones, ones that are replaced, figures, checkpoints. */
async function pipeline(): Promise<Pipeline> {
  return (await Pipeline.load('digits', { set: ['epochs=2', 'batchSize=300', 'curves.formats=[svg]'] }))
    .remove('weights')
    .remove('confusion')
    .insertAfter('metrics', { use: 'sink/jsonl' })
    .insertAfter('metrics', { use: 'sink/arrow' })
    .insertAfter('metrics', { use: 'sink/best', from: { parameters: 'model', metrics: 'metrics' } })
}

const conditions = { kernel: 'reference', checkpoint: 'epoch' } as const
const compared = [
  'metrics.csv',
  'metrics.jsonl',
  'metrics.arrows',
  'parameters.arrow',
  'best.arrow',
  'figures/curves.svg',
]

t.test(
  'a run survives the failure of any write: a clear error, whole files, and it can be resumed to the same bytes',
  async (t) => {
    const folder = temporary(t)
    const unbroken = join(folder, 'unbroken')
    const counting = failingDisk(folder, 0, '')
    await run(await pipeline(), { ...conditions, out: unbroken })
    const { count } = counting
    counting.mend()
    t.ok(count > 40, `${count} operations change something`)
    let resumed = 0
    for (let at = 1; at <= count; at++) {
      const out = join(folder, `${at}`)
      const disk = failingDisk(folder, at, 'ENOSPC')
      const error = await run(await pipeline(), { ...conditions, out }).then(
        () => undefined,
        (error: unknown) => error,
      )
      disk.mend()
      const what = `${disk.failed}, number ${at}`
      t.ok(error instanceof PipelineError && error.code === 'WRITE', `${what}: ${error}`)
      t.notMatch(String(error), /internal error|\n\s+at /, what)
      checkWhole(t, out)
      if (!existsSync(join(out, 'pipeline.yaml'))) continue
      const record = existsSync(join(out, 'run.json')) ? JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) : {}
      if (record.status === 'done') continue
      await resume(out, conditions).result
      resumed++
      for (const name of compared)
        if (!readFileSync(join(out, name)).equals(readFileSync(join(unbroken, name))))
          t.fail(`${what}: ${name} differs`)
    }
    checkFigures(t, 'test/faults/every-write.test.ts', [count, count, resumed])
  },
)
