import type { Comm } from './comm.js'
import { localComm } from './comm.js'

/**
 * Joins the processes of a run. Throws a PipelineError where they are not as many as `ranks` says, or where the engine
 * cannot be had. Native code is loaded only for `mpi`.
 */
export async function openComm(options: {
  readonly engine: 'mpi' | 'local'
  readonly ranks: number
  readonly timeout: number
}): Promise<Comm> {
  if (options.engine === 'local') return localComm()
  return (await import('./mpi.js')).mpiComm(options)
}
