import type { Comm } from './comm.js'

/**
 * Joins the processes of a run. Throws a PipelineError if their number is not `ranks`, or if the engine is not built.
 * Loads native code only for the engine `mpi`.
 */
export async function openComm(options: {
  /** `local`: one process, no native code. */
  readonly engine: 'mpi' | 'local'
  /** How many processes the run has. */
  readonly ranks: number
  /** How long a rank may stay silent, in seconds. */
  readonly timeout: number
}): Promise<Comm> {
  if (options.engine === 'local') return localComm()
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
