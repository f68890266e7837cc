import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Finished, finished, main, userEnvironment } from '../../cli/millrace.js'

/** What Open MPI wants to hear in containers, where tests are often root and cores are few. */
const openMpi = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_orte_base_help_aggregate: '1',
}

/** Why there can be no MPI jobs here; undefined where there can. Builds the engine. Throws where engines are required. */
export function mpiMissing(): string | undefined {
  const missing = ['mpirun', 'mpicc'].find((program) => spawnSync(program, ['--version']).error)
  if (missing === undefined) {
    execFileSync(process.execPath, [main, 'engines', 'build', 'mpi'], { env: userEnvironment(openMpi) })
    return undefined
  }
  if (process.env.MILLRACE_REQUIRE_ENGINES === '1')
    throw new Error(`MILLRACE_REQUIRE_ENGINES=1, but there is no ${missing}`)
  return `there is no ${missing} here (Debian: openmpi-bin libopenmpi-dev)`
}

/** Starts `mpirun -n RANKS millrace …`; ends it for good after a minute, whatever happens. */
export function spawnJob(
  ranks: number,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): ChildProcess {
  const command = ['-k', '5', '60', 'mpirun', '-n', String(ranks), process.execPath, main, ...args]
  return spawn('timeout', command, {
    cwd,
    env: userEnvironment({ ...openMpi, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What must not depend on the ranks. */
export function bytesOf(directory: string): Buffer[] {
  return ['metrics.csv', 'parameters.arrow'].map((name) => readFileSync(join(directory, name)))
}

/** Runs a job to its end. */
export function job(...given: Parameters<typeof spawnJob>): Promise<Finished> {
  return finished(spawnJob(...given))
}

/** Runs one process for each environment, as one job. */
export function jobOf(environments: readonly Record<string, string>[], args: readonly string[], cwd: string) {
  const command = environments.flatMap((env, i) => [
    ...(i > 0 ? [':'] : []),
    ...[
      '-n',
      '1',
      ...Object.entries(env).flatMap(([name, value]) => ['-x', `${name}=${value}`]),
      process.execPath,
      main,
    ],
    ...args,
  ])
  const options = {
    cwd,
    env: userEnvironment(openMpi),
    stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
  }
  return finished(spawn('timeout', ['-k', '5', '60', 'mpirun', ...command], options))
}

/** The process of one rank among those below `parent`. */
export function processOf(rank: number, parent: number): number {
  const below = new Set([parent])
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(all.flatMap((pid) => [[Number(pid), parentOf(pid)] as const]))
  for (let grown = 0; grown !== below.size; ) {
    grown = below.size
    for (const [pid, above] of parents) if (below.has(above)) below.add(pid)
  }
  const found = [...below].find((pid) => textOf(`/proc/${pid}/environ`).includes(`OMPI_COMM_WORLD_RANK=${rank}\0`))
  if (found === undefined) throw new Error(`no process of rank ${rank}`)
  return found
}

function parentOf(pid: string): number {
  return Number(/\nPPid:\s*(\d+)/.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
