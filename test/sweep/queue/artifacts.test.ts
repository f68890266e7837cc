import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Artifacts } from '../../../dist/sweep/queue/artifacts.js'
import { temporary } from '../../stages/harness.js'

/** Writes the files of a run that matter here. */
function write(directory: string, content: string, status = 'done'): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'run.json'), JSON.stringify({ status }))
  writeFileSync(join(directory, 'pipeline.yaml'), '')
  writeFileSync(join(directory, 'metrics.csv'), content)
}

const read = ({ published }: Artifacts) => readFileSync(join(published, 'metrics.csv'), 'utf8')

t.test('a finished run stays, whoever comes late; what others left goes away', async (t) => {
  const folder = temporary(t)
  const [first, late, killed] = ['a', 'b', 'c'].map((holder) => new Artifacts(folder, 'k', holder))
  for (const each of [first!, late!, killed!]) {
    each.begin()
    write(each.working, each === first ? 'first' : 'late')
  }
  write(new Artifacts(folder, 'other', 'c').working, 'under way')
  first!.publish()
  t.equal(read(first!), 'first')
  t.strictSame(readdirSync(join(folder, 'working')), ['other.c'])
  write(late!.working, 'late')
  late!.publish()
  t.equal(read(first!), 'first')
  t.notOk(existsSync(late!.working))
})

t.test('a failed run gives way to another', async (t) => {
  const folder = temporary(t)
  const [first, second] = ['a', 'b'].map((holder) => new Artifacts(folder, 'k', holder))
  first!.begin()
  write(first!.working, 'failed', 'failed')
  first!.publish()
  second!.begin()
  write(second!.working, 'done')
  second!.publish()
  t.equal(read(second!), 'done')
})

t.test('what was handed back is taken by one, and nothing is handed back without a checkpoint', async (t) => {
  const folder = temporary(t)
  const [first, second, third] = ['a', 'b', 'c'].map((holder) => new Artifacts(folder, 'k', holder))
  first!.begin()
  write(first!.working, 'begun', 'interrupted')
  mkdirSync(join(first!.working, 'checkpoint'))
  first!.handBack()
  t.notOk(existsSync(first!.working))
  second!.begin()
  third!.begin()
  t.ok(existsSync(join(second!.working, 'checkpoint')))
  t.notOk(existsSync(third!.working))
  write(third!.working, 'begun', 'interrupted')
  third!.handBack()
  t.notOk(existsSync(join(folder, 'unfinished/k')))
})
