import { shortPath } from '../pipeline/base/words.js'
import { buildMpi, builtMpi, enginesFolder } from '../pipeline/parallel/engines.js'
import type { Output } from './terminal.js'

/** `millrace engines`: lists the engines that can join the processes of a run, and where they are. */
export function enginesCommand({ json }: { readonly json?: boolean }, output: Output): void {
  const mpi = builtMpi()
  if (json) output.write(`${JSON.stringify({ folder: enginesFolder(), local: {}, mpi: mpi ?? null })}\n`)
  else {
    output.write('local  one process, always available\n')
    output.write(
      mpi
        ? `mpi    ${mpi.library}, built with ${mpi.compiler}: ${mpi.path}\n`
        : 'mpi    not built; "millrace engines build mpi" builds it with the mpicc of this machine\n',
    )
  }
}

/** `millrace engines build mpi`: compiles the MPI engine, with the compiler wrapper `mpicc` if it is given. */
export async function buildEngineCommand({ mpicc }: { readonly mpicc?: string }, output: Output): Promise<void> {
  const { library, path } = await buildMpi(mpicc)
  output.write(`built against ${library}: ${shortPath(path)}\n`)
}
