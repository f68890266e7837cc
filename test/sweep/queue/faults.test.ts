import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pointDirectory, readOutcomes, readPlan } from '../../../dist/sweep/index.js'
import { temporary } from '../../stages/harness.js'
import { pause, until } from '../../waiting.js'
import { filesOf, pipeline, runSweepIn } from '../sweeps.js'
import { redisMissing, startRedis } from './servers.js'
import {
  collectSweep,
  countDone,
  countExecutions,
  countRunning,
  freezeWithPoint,
  startWorker,
  submitSweep,
} from './workers.js'

const etas = Array.from({ length: 10 }, (_, i) => (i + 1) / 100).join(',')
const grid = [`eta=${etas}`, 'lambda=0,0.001,0.01,0.1,1']
const points = 200

t.test(
  'workers are killed and frozen, the server crashes: every result once, with the bytes of one machine',
  {
    skip: redisMissing,
  },
  async (t) => {
    const folder = temporary(t, { 'a.yaml': pipeline })
    const artifacts = join(folder, 'shared')
    const server = await startRedis(t)
    const planned = { grid, seeds: '4', set: ['epochs=1'] }
    t.match(await submitSweep(server.url, join(folder, 'a.yaml'), planned, artifacts), { total: points, added: points })

    const workers = [1, 2, 3].map(() => startWorker(t, server.url, folder, '--until-done'))
    await until(async () => (await countDone(server.url)) >= 10, 'the first points')

    await freezeWithPoint(workers[0]!, artifacts)
    workers[0]!.process.kill('SIGKILL')
    await freezeWithPoint(workers[1]!, artifacts)
    await server.crash(1000)
    await pause(9000)
    workers[1]!.process.kill('SIGCONT')

    t.match(await workers[1]!.ended, { code: 0, stdout: /lost: this worker did not answer for too long/ })
    t.match(await workers[2]!.ended, { code: 0 })
    const out = join(folder, 'collected')
    t.match(await collectSweep(server.url, 'small', artifacts, out), { total: points, done: points })
    t.strictSame(readdirSync(join(artifacts, 'working')), [], 'nothing is left of the lost runs')
    const faults = 3
    const begun = await countExecutions(server.url)
    t.ok(begun <= points + faults, `no point was begun again without need: ${begun} times in all`)

    const serial = join(folder, 'serial')
    const { plan } = await runSweepIn(serial, join(folder, 'a.yaml'), planned, { jobs: 2 })
    t.strictSame(readPlan(out).points, readPlan(serial).points)
    const [here, there] = [readOutcomes(serial), readOutcomes(out)]
    t.equal(there.size, points)
    const everything = (directory: string, outcomes: ReturnType<typeof readOutcomes>) =>
      plan.points.map((point) => [outcomes.get(point.key)?.final, filesOf(pointDirectory(directory, point))])
    t.strictSame(everything(out, there), everything(serial, here))
  },
)

t.test('a worker that sleeps while the server answers it believes no old answer', { skip: redisMissing }, async (t) => {
  const folder = temporary(t, { 'a.yaml': pipeline })
  const artifacts = join(folder, 'shared')
  const server = await startRedis(t)
  await submitSweep(server.url, join(folder, 'a.yaml'), { grid: ['eta=0.01,0.02'], set: ['epochs=3'] }, artifacts)

  const sleeper = startWorker(t, server.url, folder, '--until-done')
  await until(() => countRunning(artifacts, sleeper.process.pid!) > 0, 'a point in hand')
  process.kill(server.pid, 'SIGSTOP')
  await pause(2000)
  await freezeWithPoint(sleeper, artifacts)
  process.kill(server.pid, 'SIGCONT')
  const other = startWorker(t, server.url, folder, '--until-done')
  t.match(await other.ended, { code: 0, stdout: /2 points done/ })

  sleeper.process.kill('SIGCONT')
  const { code, stdout } = await sleeper.ended
  t.equal(code, 0)
  t.match(stdout, /lost: this worker did not answer for too long/)
  t.notMatch(stdout, /done +\(/)
  t.match(await collectSweep(server.url, 'small', artifacts), { total: 2, done: 2 })
  t.equal(await countExecutions(server.url), 3)
})
