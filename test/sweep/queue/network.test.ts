import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readOutcomes } from '../../../dist/sweep/index.js'
import { main } from '../../cli/millrace.js'
import { hostsMissing, twoHosts } from '../../hosts.js'
import { temporary } from '../../stages/harness.js'
import { pause, until } from '../../waiting.js'
import { pipeline, runSweepIn } from '../sweeps.js'
import { redisMissing, startRedis } from './servers.js'
import { countRunning, startWorkerOn } from './workers.js'

t.test(
  'two hosts work at one sweep; the cable between them is cut for 10 s and nothing is lost',
  { skip: redisMissing ?? hostsMissing() ?? false },
  async (t) => {
    const cwd = temporary(t, { 'a.yaml': pipeline })
    const { addresses, on, cable } = twoHosts(t, '10.78.0')
    const { url } = await startRedis(t, addresses[0], on(0))
    const sweep = (...args: string[]) => {
      const [program, ...rest] = [...on(1), process.execPath, main, 'sweep', ...args, '--queue', url]
      return execFileSync(program!, rest, { cwd, encoding: 'utf8' })
    }
    const artifacts = join(cwd, 'shared')
    const given = ['--grid', 'eta=0.1,0.2,0.3,0.4,0.5', '--seeds', '8', '--set', 'epochs=10', '--kernel', 'reference']
    t.match(sweep('submit', 'a.yaml', ...given, '--artifacts', artifacts), /40 points, 40 of them new/)
    const workers = ([0, 1] as const).map((host) => startWorkerOn(on(host), t, url, cwd, '--until-done'))
    const far = workers[1]!.process.pid!
    await until(() => countRunning(artifacts, far) > 0, 'the far worker')
    cable('down')
    await pause(10_000)
    cable('up')
    for (const { ended } of workers) t.match(await ended, { code: 0 })
    t.match(sweep('collect', '--out', 'out'), /^40 of 40 points done;/)
    t.strictSame(readdirSync(join(artifacts, 'working')), [])
    const planned = { grid: ['eta=0.1,0.2,0.3,0.4,0.5'], seeds: '8', set: ['epochs=10'] }
    const { directory } = (await runSweepIn(join(cwd, 'serial'), join(cwd, 'a.yaml'), planned, { jobs: 2 })).result
    const finals = (from: string) =>
      [...readOutcomes(from).values()].map(({ key, final }) => [key, final]).sort(([a], [b]) => (a! < b! ? -1 : 1))
    t.strictSame(finals(join(cwd, 'out')), finals(directory))
  },
)
