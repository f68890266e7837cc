import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { finished, millrace } from '../../cli/millrace.js'
import { job, mpiMissing, processOf, spawnJob } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

t.test('a run goes on with another number of ranks, to the bytes it would have had', { skip }, async (t) => {
  const cwd = t.testdir({ 'p.yaml': pipeline })
  const set = ['--set', 'epochs=300', '--checkpoint', '5 steps']
  const child = spawnJob(2, ['run', 'p.yaml', '--out', 'out', ...set], cwd)
  const end = finished(child)
  const metrics = join(cwd, 'out/metrics.csv')
  for (let wait = 0; wait < 300 && !(existsSync(metrics) && readFileSync(metrics).length > 1000); wait++)
    await new Promise((resolve) => setTimeout(resolve, 100))
  process.kill(processOf(1, child.pid!), 'SIGKILL')
  t.not((await end).code, 0)
  t.match(await job(4, ['resume', 'out', '--set', 'parallel.ranks=4'], cwd), { code: 0, stdout: /done in/ })

  const local = ['--set', 'epochs=300', '--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
  t.match(await millrace(['run', 'p.yaml', '--out', 'whole', ...local], cwd), { code: 0 })
  for (const file of ['metrics.csv', 'parameters.arrow'])
    t.strictSame(readFileSync(join(cwd, 'out', file)), readFileSync(join(cwd, 'whole', file)), file)
})
