import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { finished, millrace, userEnvironment } from '../pipeline/cli/millrace.js'
import { mpiMissing } from './job.js'
import { pipeline } from './pipeline.js'

const main = fileURLToPath(new URL('../../dist/pipeline/cli/main.js', import.meta.url))
const names = [`mr${process.pid}a`, `mr${process.pid}b`] as const
const hosts = ['10.77.0.1', '10.77.0.2'] as const

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' })
const inside = (i: 0 | 1, ...args: string[]) => ip('netns', 'exec', names[i], ...args)

function networkMissing(): string | undefined {
  const probe = spawnSync('ip', ['netns', 'add', names[0]])
  if (probe.status !== 0) return 'there are no network namespaces here'
  ip('netns', 'del', names[0])
  return mpiMissing()
}

/** Two hosts with a cable between them, each with a name of its own; returns what starts a job over both. */
function twoHosts(t: Test, cwd: string) {
  t.teardown(() => {
    for (const name of names) spawnSync('ip', ['netns', 'del', name])
  })
  for (const name of names) ip('netns', 'add', name)
  ip('link', 'add', 'cable', 'netns', names[0], 'type', 'veth', 'peer', 'name', 'cable', 'netns', names[1])
  for (const i of [0, 1] as const) {
    inside(i, 'ip', 'link', 'set', 'lo', 'up')
    inside(i, 'ip', 'addr', 'add', `${hosts[i]}/24`, 'dev', 'cable')
    inside(i, 'ip', 'link', 'set', 'cable', 'up')
  }
  // What mpirun takes for ssh.
  const agent = join(cwd, 'agent')
  writeFileSync(agent, `#!/bin/sh\nshift\nexec ip netns exec ${names[1]} unshare -u sh -c "hostname other; $*"\n`)
  chmodSync(agent, 0o755)
  const env = userEnvironment({
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    OMPI_MCA_plm_rsh_agent: agent,
    OMPI_MCA_btl: 'tcp,self',
    OMPI_MCA_btl_tcp_if_include: '10.77.0.0/24',
    OMPI_MCA_oob_tcp_if_include: '10.77.0.0/24',
  })
  return (args: readonly string[]) => {
    const mpirun = ['mpirun', '-n', '2', '--host', `${hosts[0]}:1,${hosts[1]}:1`, '--wdir', cwd]
    const command = ['-k', '5', '60', 'ip', 'netns', 'exec', names[0], ...mpirun, process.execPath, main, ...args]
    return finished(spawn('timeout', command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
}

t.test(
  'a job over two hosts has the bytes of one process, and ends when the cable is cut',
  { skip: networkMissing() ?? false },
  async (t) => {
    const cwd = t.testdir({ 'p.yaml': pipeline })
    const start = twoHosts(t, cwd)
    t.match(await start(['run', 'p.yaml', '--out', 'two']), { code: 0, stdout: /done in/ })
    const local = ['--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
    t.match(await millrace(['run', 'p.yaml', '--out', 'one', ...local], cwd), { code: 0 })
    for (const file of ['metrics.csv', 'parameters.arrow'])
      t.strictSame(readFileSync(join(cwd, 'two', file)), readFileSync(join(cwd, 'one', file)), file)

    const end = start(['run', 'p.yaml', '--out', 'cut', '--set', 'epochs=1000000'])
    const metrics = join(cwd, 'cut/metrics.csv')
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
    for (let wait = 0; wait < 300 && !(existsSync(metrics) && readFileSync(metrics).length > 300); wait++)
      await pause(100)
    inside(0, 'ip', 'link', 'set', 'cable', 'down')
    await pause(10_000)
    t.match(JSON.parse(readFileSync(join(cwd, 'cut/run.json'), 'utf8')), {
      status: 'failed',
      error: /rank 1 has not answered for 3 s/,
    })
    inside(0, 'ip', 'link', 'set', 'cable', 'up')
    t.match(await end, { code: 75, stderr: /rank 1 has not answered for 3 s \(step \d+\)/ })
  },
)
