import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SweepMetrics } from '../../dist/sweep/metrics.js'
import { temporary } from '../stages/harness.js'

const f1 = { split: 'validation', name: 'f1', title: 'F1', unit: 'share', better: 'higher' } as const
const unknown = { name: 'validation_f1', title: 'validation f1' }
const final = { epoch: 1, step: 1, validation_f1: 0.5 }

function write(directory: string, key: string, record: unknown): void {
  mkdirSync(join(directory, 'points', key), { recursive: true })
  writeFileSync(
    join(directory, 'points', key, 'run.json'),
    typeof record === 'string' ? record : JSON.stringify(record),
  )
}

t.test('the metadata comes from run.json of the first point with a column', (t) => {
  const directory = temporary(t)
  write(directory, 'a', { metrics: { validation_f1: f1 } })
  const metrics = new SweepMetrics(directory)
  t.strictSame([...metrics.of({ key: 'gone', final })], [['validation_f1', unknown]], 'its run is not there')
  t.strictSame([...metrics.of({ key: 'a', final })], [['validation_f1', f1]])
  rmSync(join(directory, 'points'), { recursive: true })
  t.strictSame([...metrics.of({ key: 'b', final })], [['validation_f1', f1]], 'no other file is read')
  t.strictSame([...metrics.of({ key: 'b' })], [], 'a point that failed has no metrics')
  t.end()
})

t.test('a run of version 0.1.0 has no metadata: its columns are known by their names', (t) => {
  const directory = temporary(t)
  write(directory, 'a', { status: 'done' })
  const infos = new SweepMetrics(directory).of({ key: 'a', final: { ...final, train_loss: 1 } })
  t.strictSame(infos.get('validation_f1'), unknown)
  t.equal(infos.get('train_loss')!.better, 'lower')
  t.end()
})

t.test('a damaged run.json is told', (t) => {
  const directory = temporary(t)
  write(directory, 'a', '{')
  write(directory, 'b', { metrics: { validation_f1: { name: 'f1' } } })
  const of = (key: string) => () => new SweepMetrics(directory).of({ key, final })
  t.throws(of('a'), { code: 'DATA', message: /run\.json is damaged: / })
  t.throws(of('b'), { code: 'DATA', message: /run\.json is damaged: metrics\.validation_f1\.title: / })
  t.end()
})
