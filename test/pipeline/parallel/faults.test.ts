import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { finished } from '../../cli/millrace.js'
import { until } from '../../waiting.js'
import { mpiMissing, processOf, spawnJob } from './job.js'
import { pipeline } from './pipeline.js'

const skip = mpiMissing() ?? false

/** A folder with the pipeline in it. */
function folder(t: Test): string {
  return t.testdir({ 'p.yaml': pipeline })
}

/** Starts a job that would take hours and waits until it trains. */
async function training(t: Test, cwd: string) {
  const child = spawnJob(2, ['run', 'p.yaml', '--out', 'out', '--set', 'epochs=1000000'], cwd)
  t.teardown(() => child.kill('SIGKILL'))
  const end = finished(child)
  const metrics = join(cwd, 'out/metrics.csv')
  await until(() => existsSync(metrics) && readFileSync(metrics).length > 300, 'the first evaluations')
  return { end, mpirun: child.pid! }
}

function statusOf(cwd: string): { status: string; error: string } {
  return JSON.parse(readFileSync(join(cwd, 'out/run.json'), 'utf8'))
}

t.test('a rank that is killed takes the job with it', { skip }, async (t) => {
  const cwd = folder(t)
  const { end, mpirun } = await training(t, cwd)
  process.kill(processOf(1, mpirun), 'SIGKILL')
  t.not((await end).code, 0)
  t.match(statusOf(cwd), { status: 'interrupted' })
})

for (const rank of [0, 1])
  t.test(`a frozen rank ${rank} is noticed`, { skip }, async (t) => {
    const cwd = folder(t)
    const { end, mpirun } = await training(t, cwd)
    process.kill(processOf(rank, mpirun), 'SIGSTOP')
    const { code, stderr } = await end
    t.equal(code, 75)
    t.match(stderr, new RegExp(`rank ${rank} has not answered for 3 s \\(step \\d+\\)`))
  })

t.test('a rank that is asked to stop stops them all at the same step', { skip }, async (t) => {
  const cwd = folder(t)
  const { end, mpirun } = await training(t, cwd)
  process.kill(processOf(1, mpirun), 'SIGTERM')
  t.not((await end).code, 0)
  t.match(statusOf(cwd), { status: 'interrupted', error: 'stopped before its end' })
})
