import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pointDirectory, readOutcomes, readPlan } from '../../../dist/sweep/index.js'
import { temporary } from '../../stages/harness.js'
import { filesOf, pipeline, sweptIn } from '../sweeps.js'
import { pause, redisMissing, startRedis, until } from './servers.js'
import { doneAt, executions, freeze, startWorker, sweep } from './workers.js'

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
    const settings = [
      '--set',
      'epochs=1',
      '--grid',
      grid[0]!,
      '--grid',
      grid[1]!,
      '--seeds',
      '4',
      '--kernel',
      'reference',
    ]
    const submitted = await sweep(server.url, folder, 'submit', 'a.yaml', ...settings, '--artifacts', artifacts)
    t.match(submitted, { code: 0, stdout: /^small: 200 points, 200 of them new at redis:/ })

    const workers = [1, 2, 3].map(() => startWorker(t, server.url, folder, '--until-done'))
    await until(async () => (await doneAt(server.url)) >= 10, 'the first points')

    await freeze(workers[0]!, artifacts)
    workers[0]!.process.kill('SIGKILL')
    await freeze(workers[1]!, artifacts)
    await server.crash(1000)
    await pause(9000)
    workers[1]!.process.kill('SIGCONT')

    for (const { ended } of workers.slice(1)) t.match(await ended, { code: 0 })
    const out = join(folder, 'collected')
    t.match(await sweep(server.url, folder, 'collect', '--out', out), { code: 0, stdout: /^200 of 200 points done;/ })
    t.strictSame(readdirSync(join(artifacts, 'working')), [], 'nothing is left of the lost runs')
    const faults = 3
    const begun = await executions(server.url)
    t.ok(begun <= points + faults, `${begun} executions`)

    const serial = join(folder, 'serial')
    const planned = { grid, seeds: '4', set: ['epochs=1'] }
    const { plan } = await sweptIn(serial, join(folder, 'a.yaml'), planned, { jobs: 2 })
    t.strictSame(readPlan(out).points, readPlan(serial).points)
    const [here, there] = [readOutcomes(serial), readOutcomes(out)]
    t.equal(there.size, points)
    for (const point of plan.points) {
      t.strictSame(there.get(point.key)!.final, here.get(point.key)!.final)
      t.strictSame(filesOf(pointDirectory(out, point)), filesOf(pointDirectory(serial, point)))
    }
  },
)
