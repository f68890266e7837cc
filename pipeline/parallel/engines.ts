import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { messageOf, PipelineError } from '../base/errors.js'
import { packagePath } from '../base/package.js'
import { called, type Outcome } from './program.js'

const source = packagePath('pipeline/parallel/native/mpi_napi.c')

/** What is known of a built engine; it stands beside it as JSON. */
export interface EngineBuild {
  readonly path: string
  /** What it was compiled with, and against. */
  readonly compiler: string
  readonly library: string
}

/** The folder that engines are built into: `MILLRACE_ENGINES_DIR`, else one in the user's cache. */
export function enginesFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { MILLRACE_ENGINES_DIR: asked, XDG_CACHE_HOME: cache } = environment
  return asked || join(cache || join(homedir(), '.cache'), 'millrace', 'engines')
}

/** Where the MPI engine lies once it is built: a name of its own for each source, platform and Node ABI. */
export function mpiEnginePath(): string {
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12)
  return join(enginesFolder(), `mpi-${process.platform}-${process.arch}-${digest}.node`)
}

/** The MPI engine as it was built here; undefined where it was not. */
export function builtMpi(): EngineBuild | undefined {
  const path = mpiEnginePath()
  if (!existsSync(path)) return undefined
  try {
    const { compiler, library } = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as EngineBuild
    return { path, compiler, library }
  } catch {
    return { path, compiler: 'unknown', library: 'unknown' }
  }
}

/** The folder of Node's own headers: beside this Node, or where the system has them. Throws where there are none. */
export function nodeHeaders(execPath = process.execPath, system = '/usr/include/node'): string {
  const folders = [join(dirname(dirname(execPath)), 'include', 'node'), system]
  const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')))
  if (found) return found
  throw new PipelineError(
    'ARGUMENTS',
    `no headers of Node: there is no node_api.h in ${folders.join(' or ')}; install them (Debian: libnode-dev), or use a Node from nodejs.org, which has them`,
  )
}

/** Compiles the MPI engine with the compiler wrapper of the site's MPI. Throws a PipelineError that says what is missing. */
export async function buildMpi(compiler = process.env.MPICC || 'mpicc'): Promise<EngineBuild> {
  const headers = nodeHeaders()
  const path = mpiEnginePath()
  mkdirSync(dirname(path), { recursive: true })
  const folder = mkdtempSync(join(dirname(path), 'build-'))
  const made = join(folder, 'mpi.node')
  const flags = [
    '-O2',
    '-std=c11',
    '-shared',
    '-fPIC',
    ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  ]
  try {
    const compiled = await called(compiler, [...flags, `-I${headers}`, '-o', made, source])
    if (compiled.failure) throw new PipelineError('KERNEL', compilerProblem(compiler, compiled))
    // In a process of its own: MPI can be opened once only, and a library that does not fit may end the process.
    const program =
      'const m = require(process.argv[1]); const { library } = m.open(); m.finalize(); console.log(library)'
    const tried = await called(process.execPath, ['-e', program, made], withoutLauncher())
    if (tried.failure)
      throw new PipelineError('KERNEL', `the engine was built, but does not run: ${tried.failure}\n${tried.output}`)
    const built = { path, compiler, library: tried.output.trim().split('\n').at(-1) ?? '' }
    writeFileSync(`${path}.json`, `${JSON.stringify(built, null, 2)}\n`)
    renameSync(made, path)
    return built
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('WRITE', `cannot build the engine in ${dirname(path)}: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function compilerProblem(compiler: string, { failure, output }: Outcome): string {
  if (failure === 'not found')
    return `no ${compiler}: install an MPI with its compiler (Debian: openmpi-bin libopenmpi-dev), load its module, or name it: --mpicc /path/to/mpicc`
  return `${compiler} ${failure}:\n${output}`
}

/** The environment without what a launcher of MPI jobs left there: the trial is a job of its own. */
function withoutLauncher(): NodeJS.ProcessEnv {
  const launched = /^(OMPI_|PMIX_|PMI_|SLURM_|HYDRA_|MPIR?_)/
  const kept = Object.entries(process.env).filter(
    ([name]) => !launched.test(name) || name.startsWith('OMPI_ALLOW') || name.startsWith('OMPI_MCA'),
  )
  return Object.fromEntries(kept)
}
