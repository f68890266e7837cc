import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { enginesFolder, nodeHeaders } from '../../../dist/pipeline/parallel/engines.js'
import { millrace } from '../../cli/millrace.js'
import { mpiMissing } from './job.js'

t.test('engines are built into the folder asked for, else into the cache of the user', async (t) => {
  t.equal(enginesFolder({ MILLRACE_ENGINES_DIR: '/e', XDG_CACHE_HOME: '/c' }), '/e')
  t.equal(enginesFolder({ XDG_CACHE_HOME: '/c' }), '/c/millrace/engines')
  t.match(enginesFolder({}), /\/\.cache\/millrace\/engines$/)
})

t.test('headers of Node that are nowhere are an error that says where they were looked for', async (t) => {
  t.throws(() => nodeHeaders('/none/bin/node', '/none/include'), {
    code: 'ARGUMENTS',
    message:
      'no headers of Node: there is no node_api.h in /none/include/node or /none/include; install them (Debian: libnode-dev), or use a Node from nodejs.org, which has them',
  })
})

t.test('engines lists what is there, and a run says what is missing', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'extends: digits.yaml\nparallel: { engine: mpi }\n' })
  const env = { MILLRACE_ENGINES_DIR: join(cwd, 'engines') }
  const listed = await millrace(['engines'], cwd, env)
  t.match(listed, { code: 0, stdout: /^local .*\nmpi +not built; "millrace engines build mpi" builds it/ })
  t.strictSame(JSON.parse((await millrace(['engines', '--json'], cwd, env)).stdout).mpi, null)
  const launched = { ...env, PMIX_RANK: '0' }
  const run = await millrace(['run', 'digits', '--set', 'parallel.engine=mpi', '--out', 'out'], cwd, launched)
  t.match(run, {
    code: 1,
    stderr: /^the engine mpi is not built \(no .*\.node\): "millrace engines build mpi" builds it/,
  })
  t.notOk(existsSync(join(cwd, 'out')))
})

t.test('a compiler that is missing or fails is told, with what it said', async (t) => {
  const cwd = t.testdir()
  const env = { MILLRACE_ENGINES_DIR: join(cwd, 'engines') }
  const none = await millrace(['engines', 'build', 'mpi', '--mpicc', '/none/mpicc'], cwd, env)
  t.match(none, { code: 1, stderr: /^no \/none\/mpicc: install an MPI with its compiler \(Debian: openmpi-bin/ })
  writeFileSync(join(cwd, 'mpicc'), '#!/bin/sh\necho mpi.h: no such file\nexit 3\n')
  chmodSync(join(cwd, 'mpicc'), 0o755)
  const failing = await millrace(['engines', 'build', 'mpi', '--mpicc', join(cwd, 'mpicc')], cwd, env)
  t.match(failing, { code: 1, stderr: /mpicc ended with 3:\n {2}mpi.h: no such file/ })
})

t.test('an engine is built and listed', { skip: mpiMissing() ?? false }, async (t) => {
  const cwd = t.testdir()
  const env = {
    MILLRACE_ENGINES_DIR: join(cwd, 'engines'),
    OMPI_ALLOW_RUN_AS_ROOT: '1',
    OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  }
  t.match(await millrace(['engines', 'build', 'mpi'], cwd, env), {
    code: 0,
    stdout: /^built against .*MPI.*: engines\/mpi-/,
  })
  t.match(await millrace(['engines'], cwd, env), { code: 0, stdout: /\nmpi +.*MPI.*, built with mpicc: / })
})
