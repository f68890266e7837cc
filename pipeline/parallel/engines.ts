import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { messageOf, PipelineError } from '../base/errors.js'
import { packagePath } from '../base/package.js'
import { attempt, makeFolder } from '../files/files.js'

/** The longest time that a compiler or the trial of an engine may take, in milliseconds. */
const PROGRAM_TIME = 60_000

const source = packagePath('pipeline/parallel/native/mpi_napi.c')

/** A built engine. Compiler and library are stored beside it as JSON. */
export interface EngineBuild {
  /** The absolute path of the addon. */
  readonly path: string
  /** The command that compiled it. */
  readonly compiler: string
  /** The name and version of the MPI library it was compiled for. */
  readonly library: string
}

/** Returns the folder that engines are built into: `MILLRACE_ENGINES_DIR`, else a folder in the user's cache. */
export function enginesFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { MILLRACE_ENGINES_DIR: folder, XDG_CACHE_HOME: cache } = environment
  return folder || join(cache || join(homedir(), '.cache'), 'millrace', 'engines')
}

/** Returns the path of the MPI engine. The name differs by source text, platform and architecture. */
export function mpiEnginePath(): string {
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12)
  return join(enginesFolder(), `mpi-${process.platform}-${process.arch}-${digest}.node`)
}

/** Returns the MPI engine of this machine, or undefined if it is not built. */
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

/**
 * Returns the folder of Node's headers: beside this Node, else that of the system. Throws a PipelineError if none is
 * found.
 */
export function nodeHeaders(execPath = process.execPath, system = '/usr/include/node'): string {
  const folders = [join(dirname(dirname(execPath)), 'include', 'node'), system]
  const found = folders.find((folder) => existsSync(join(folder, 'node_api.h')))
  if (found) return found
  throw new PipelineError(
    'ARGUMENTS',
    `no headers of Node: there is no node_api.h in ${folders.join(' or ')}; install them (Debian: libnode-dev), or use a Node from nodejs.org, which has them`,
  )
}

/**
 * Compiles the MPI engine with the compiler wrapper of the site's MPI, and tries it. Throws a PipelineError that says
 * what is missing.
 */
export async function buildMpi(compiler = process.env.MPICC || 'mpicc'): Promise<EngineBuild> {
  const headers = nodeHeaders()
  const path = mpiEnginePath()
  const folder = attempt('make a folder in', dirname(path), () => {
    makeFolder(dirname(path))
    return mkdtempSync(join(dirname(path), 'build-'))
  })
  const made = join(folder, 'mpi.node')
  const flags = [
    '-O2',
    '-std=c11',
    '-shared',
    '-fPIC',
    ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  ]
  try {
    const compiled = await runProgram(compiler, [...flags, `-I${headers}`, '-o', made, source])
    if (compiled.failure) throw new PipelineError('KERNEL', compilerProblem(compiler, compiled))
    // Another process tries the engine: a process can open MPI once only, and a library that does not fit may end it.
    const program =
      'const m = require(process.argv[1]); const { library } = m.open(); m.finalize(); console.log(library)'
    const tried = await runProgram(process.execPath, ['-e', program, made], withoutLauncher())
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

function compilerProblem(compiler: string, { failure, output }: ProgramResult): string {
  if (failure === 'not found')
    return `no ${compiler}: install an MPI with its compiler (Debian: openmpi-bin libopenmpi-dev), load its module, or name it: --mpicc /path/to/mpicc`
  return `${compiler} ${failure}:\n${output}`
}

/** Returns the environment without the variables of a launcher of MPI jobs, because the trial is a job of its own. */
function withoutLauncher(): NodeJS.ProcessEnv {
  const launched = /^(OMPI_|PMIX_|PMI_|SLURM_|HYDRA_|MPIR?_)/
  const kept = Object.entries(process.env).filter(
    ([name]) => !launched.test(name) || name.startsWith('OMPI_ALLOW') || name.startsWith('OMPI_MCA'),
  )
  return Object.fromEntries(kept)
}

/** How a program ended, and what it printed. */
interface ProgramResult {
  /** The reason for the failure, for example `not found` or `ended with 1`; undefined on success. */
  readonly failure: string | undefined
  readonly output: string
}

function runProgram(program: string, args: readonly string[], env = process.env): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), PROGRAM_TIME)
    const finish = (failure: string | undefined): void => {
      clearTimeout(timer)
      resolve({ failure, output })
    }
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
      })
    child.once('error', (error: NodeJS.ErrnoException) => finish(error.code === 'ENOENT' ? 'not found' : error.message))
    child.once('close', (code, signal) => finish(code === 0 ? undefined : `ended with ${signal ?? code}`))
  })
}
