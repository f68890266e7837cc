import { shortPath } from '../pipeline/base/words.js'
import { buildMpi, builtMpi, enginesFolder } from '../pipeline/parallel/engines.js'
import type { Output } from './output.js'

/** `millrace engines`: what can join the processes of a run, and where it lies. */
export function enginesCommand({ json }: { readonly json?: boolean }, output: Output): void {
  const mpi = builtMpi()
  if (json) output.write(`${JSON.stringify({ folder: enginesFolder(), local: {}, mpi: mpi ?? null })}\n`)
  else {
    output.write('local  one process, always there\n')
    output.write(
      mpi
        ? `mpi    ${mpi.library}, built with ${mpi.compiler}: ${mpi.path}\n`
        : 'mpi    not built; "millrace engines build mpi" builds it with the mpicc of this site\n',
    )
  }
}

/** `millrace engines build mpi`. */
export async function buildEngineCommand({ mpicc }: { readonly mpicc?: string }, output: Output): Promise<void> {
  const { library, path } = await buildMpi(mpicc)
  output.write(`built against ${library}: ${shortPath(path)}\n`)
}
