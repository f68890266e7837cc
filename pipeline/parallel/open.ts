import { PipelineError } from '../base/errors.js'
import type { Comm } from './comm.js'
import { isLaunchedByMpi, sizeProblem } from './launcher.js'

/**
 * Joins the processes of a run. Throws a PipelineError if their number is not `ranks`, or if the engine is not built.
 *
 * Loads the engine `mpi` only in a process that a launcher of MPI jobs has started. Without one, MPI starts a daemon that
 * listens on the network, and a definition alone must not cause that. A single rank needs no engine then.
 */
export async function openComm(options: {
  /** `local`: one process, no native code. */
  readonly engine: 'mpi' | 'local'
  /** How many processes the run has. */
  readonly ranks: number
  /** How long a rank may stay silent, in seconds. */
  readonly timeout: number
}): Promise<Comm> {
  const { engine, ranks } = options
  const isLaunched = isLaunchedByMpi()
  if (engine === 'local' || (ranks === 1 && !isLaunched)) return localComm()
  if (!isLaunched) throw new PipelineError('ARGUMENTS', sizeProblem(ranks, 1))
  return (await import('./mpi.js')).mpiComm(options)
}

/** The engine `local`: one process that exchanges nothing. */
function localComm(): Comm {
  const nothing = async (): Promise<void> => {}
  return {
    rank: 0,
    size: 1,
    neighbours: 1,
    library: 'local',
    exchange: nothing,
    total: nothing,
    at: () => {},
    cancel: () => {},
    fail: nothing,
    close: nothing,
  }
}
