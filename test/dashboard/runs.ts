import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { Pipeline, run } from '../../dist/index.js'

/** A folder with a real run in `runs/digits-001`, which goes when the test ends. */
export async function folderWithRun(t: Test): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-dashboard-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const out = join(folder, 'runs/digits-001')
  await run(await Pipeline.load('digits', { set: ['epochs=2'] }), { out, kernel: 'reference' })
  return folder
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Copies a run as often as wanted, with more evaluations and settings of their own. */
export function multiply(folder: string, count: number, epochs: number): void {
  const source = join(folder, 'runs/digits-001')
  const record = readFileSync(join(source, 'run.json'), 'utf8')
  const definition = readFileSync(join(source, 'pipeline.yaml'), 'utf8')
  const [head, row] = readFileSync(join(source, 'metrics.csv'), 'utf8').split('\n')
  for (let i = 0; i < count; i++) {
    const target = join(folder, `many/run-${String(i).padStart(3, '0')}`)
    mkdirSync(target, { recursive: true })
    const eta = (i % 10) / 100
    const text = definition.replace(/eta: [\d.]+/, `eta: ${eta}`)
    const { settings, ...rest } = JSON.parse(record)
    const own = { ...rest, seed: i, settings: { ...settings, eta }, definition: sha256(text) }
    writeFileSync(join(target, 'run.json'), JSON.stringify(own))
    writeFileSync(join(target, 'pipeline.yaml'), text)
    const rows = Array.from({ length: epochs }, (_, epoch) =>
      row!.replace(/^\d+,\d+/, `${epoch + 1},${40 * (epoch + 1)}`),
    )
    writeFileSync(join(target, 'metrics.csv'), `${head}\n${rows.join('\n')}\n`)
  }
}

/** A copy of the run that seems to be going on. Returns a function that appends an evaluation. */
export function runningCopy(folder: string): (epoch: number, loss: string) => void {
  const target = join(folder, 'runs/digits-002')
  cpSync(join(folder, 'runs/digits-001'), target, { recursive: true })
  const record = readFileSync(join(target, 'run.json'), 'utf8')
  writeFileSync(join(target, 'run.json'), record.replace('"status": "done"', '"status": "running"'))
  const file = join(target, 'metrics.csv')
  const columns = readFileSync(file, 'utf8').split('\n', 1)[0]!.split(',')
  return (epoch, loss) => appendFileSync(file, `${columns.map((_, i) => (i === 0 ? epoch : loss)).join()}\n`)
}
