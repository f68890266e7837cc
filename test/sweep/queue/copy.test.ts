import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { lockDirectory } from '../../../dist/pipeline/files/lock.js'
import { copyRun } from '../../../dist/sweep/queue/copy.js'
import { temporary } from '../../stages/harness.js'

function write(directory: string, status: string, content: string): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'run.json'), JSON.stringify({ status }))
  writeFileSync(join(directory, 'pipeline.yaml'), '')
  writeFileSync(join(directory, 'metrics.csv'), content)
}

t.test('a run that is done stays, one that failed or was stopped gives way to one that is done', async (t) => {
  const folder = temporary(t)
  const from = join(folder, 'from')
  write(from, 'done', 'theirs')
  for (const [status, content] of [
    ['done', 'own'],
    ['failed', 'theirs'],
    ['interrupted', 'theirs'],
    ['running', 'theirs'],
  ] as const) {
    const to = join(folder, status)
    write(to, status, 'own')
    writeFileSync(join(to, 'left.csv'), '')
    t.equal(copyRun(from, to), undefined)
    t.equal(readFileSync(join(to, 'metrics.csv'), 'utf8'), content, status)
    t.equal(existsSync(join(to, 'left.csv')), status === 'done', 'no file of another run is left')
    t.notOk(existsSync(`${to}.part`))
  }
})

t.test('a run that goes on, and what is no run, stays as it is', async (t) => {
  const folder = temporary(t)
  const [from, to, other] = ['from', 'to', 'other'].map((name) => join(folder, name))
  write(from!, 'done', 'theirs')
  write(to!, 'running', 'own')
  const unlock = lockDirectory(to!)
  t.throws(() => copyRun(from!, to!), { code: 'ARGUMENTS' })
  t.equal(readFileSync(join(to!, 'metrics.csv'), 'utf8'), 'own')
  unlock()
  mkdirSync(other!)
  t.match(copyRun(from!, other!), /other is no run: move it away$/)
})
