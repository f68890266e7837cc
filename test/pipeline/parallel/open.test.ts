import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { mpiEnginePath } from '../../../dist/pipeline/parallel/engines.js'
import { isLaunchedByMpi } from '../../../dist/pipeline/parallel/launcher.js'
import { millrace } from '../../cli/millrace.js'

/** The environment of a process that finds an engine in `cwd` which cannot be loaded: to try it is an error. */
function withTrap(cwd: string): Record<string, string> {
  writeFileSync(join(cwd, basename(mpiEnginePath())), 'no library')
  return { MILLRACE_ENGINES_DIR: cwd }
}

t.test('a definition alone does not load MPI: one rank needs no engine', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'extends: digits\nparallel: { engine: mpi, ranks: 1 }\nvars: { epochs: 1 }\n' })
  const env = withTrap(cwd)
  for (const flags of [[], ['--no-plugins']]) {
    const { code, stderr } = await millrace(['run', 'p.yaml', '--out', 'out', '--force', ...flags], cwd, env)
    t.equal(stderr, '')
    t.equal(code, 0)
    t.equal(JSON.parse(readFileSync(join(cwd, 'out/run.json'), 'utf8')).parallel.library, 'local')
  }
})

t.test('several ranks without a launcher are refused, with the command that starts them', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'extends: digits\nparallel: { engine: mpi, ranks: 3 }\n' })
  const env = withTrap(cwd)
  t.match(await millrace(['run', 'p.yaml'], cwd, { ...env, SLURM_PROCID: '0', SLURM_NTASKS: '3' }), {
    code: 2,
    stderr:
      'parallel.ranks is 3, but this job has 1 process: start it with "mpirun -n 3 millrace run …" ' +
      '(or srun --mpi=pmix -n 3), or say --set parallel.ranks=1\n',
  })
  t.notOk(existsSync(join(cwd, 'runs')))
})

t.test('a process that a launcher has started loads the engine', async (t) => {
  const cwd = t.testdir({ 'p.yaml': 'extends: digits\nparallel: { engine: mpi, ranks: 1 }\n' })
  const env = withTrap(cwd)
  for (const name of ['OMPI_COMM_WORLD_RANK', 'PMIX_RANK', 'PMI_RANK'])
    t.match(await millrace(['run', 'p.yaml'], cwd, { ...env, [name]: '0' }), {
      code: 1,
      stderr: /^the engine mpi does not load: /,
    })
  t.notOk(isLaunchedByMpi({ SLURM_JOB_ID: '1', SLURM_PROCID: '0', OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_MCA_btl: 'tcp' }))
  t.ok(isLaunchedByMpi({ PMI_FD: '3' }))
})
