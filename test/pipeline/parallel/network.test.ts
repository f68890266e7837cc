import { spawn } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { finished, main, millrace, userEnvironment } from '../../cli/millrace.js'
import { hostsMissing, twoHosts } from '../../hosts.js'
import { pause, until } from '../../waiting.js'
import { mpiMissing } from './job.js'
import { pipeline } from './pipeline.js'

/** Two hosts; what starts a job over both, and what cuts them apart. */
function jobOverHosts(t: Test, cwd: string) {
  const { addresses, on, cable } = twoHosts(t, '10.77.0')
  // What mpirun takes for ssh.
  const agent = join(cwd, 'agent')
  writeFileSync(agent, `#!/bin/sh\nshift\nexec ${on(1).join(' ')} unshare -u sh -c "hostname other; $*"\n`)
  chmodSync(agent, 0o755)
  const env = userEnvironment({
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
    OMPI_MCA_plm_rsh_agent: agent,
    OMPI_MCA_btl: 'tcp,self',
    OMPI_MCA_btl_tcp_if_include: '10.77.0.0/24',
    OMPI_MCA_oob_tcp_if_include: '10.77.0.0/24',
  })
  const start = (args: readonly string[]) => {
    const mpirun = ['mpirun', '-n', '2', '--host', `${addresses[0]}:1,${addresses[1]}:1`, '--wdir', cwd]
    const command = ['-k', '5', '60', ...on(0), ...mpirun, process.execPath, main, ...args]
    return finished(spawn('timeout', command, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
  return { start, cable }
}

t.test(
  'a job over two hosts has the bytes of one process, and ends when the cable is cut',
  { skip: hostsMissing() ?? mpiMissing() ?? false },
  async (t) => {
    const cwd = t.testdir({ 'p.yaml': pipeline })
    const { start, cable } = jobOverHosts(t, cwd)
    t.match(await start(['run', 'p.yaml', '--out', 'two']), { code: 0, stdout: /done in/ })
    const local = ['--set', 'parallel.engine=local', '--set', 'parallel.ranks=1']
    t.match(await millrace(['run', 'p.yaml', '--out', 'one', ...local], cwd), { code: 0 })
    for (const file of ['metrics.csv', 'parameters.arrow'])
      t.strictSame(readFileSync(join(cwd, 'two', file)), readFileSync(join(cwd, 'one', file)), file)

    const end = start(['run', 'p.yaml', '--out', 'cut', '--set', 'epochs=1000000'])
    const metrics = join(cwd, 'cut/metrics.csv')
    await until(() => existsSync(metrics) && readFileSync(metrics).length > 300, 'the first evaluations')
    cable('down')
    await pause(10_000)
    t.match(JSON.parse(readFileSync(join(cwd, 'cut/run.json'), 'utf8')), {
      status: 'failed',
      error: /rank 1 has not answered for 3 s/,
    })
    cable('up')
    t.match(await end, { code: 75, stderr: /rank 1 has not answered for 3 s \(step \d+\)/ })
  },
)
