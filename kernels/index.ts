import { availableParallelism } from 'node:os'
import { hostKernelNames, type KernelOptions, type Kernels } from './contract.js'
import { implementations } from './registry.js'

export {
  type Affine,
  type Arrays,
  type DenseLayer,
  type Evaluation,
  type Gradient,
  hostKernelNames,
  type KernelChoice,
  type KernelName,
  type KernelOptions,
  type Kernels,
  kernelChoices,
  kernelNames,
  type Later,
  type LossName,
  lossNames,
  type Moments,
  type Network,
  type NetworkShape,
  type NetworkStep,
  type Numbers,
  type Origin,
  type Rows,
  type RuleState,
  type SgdStep,
  type StatefulStep,
} from './contract.js'
export { fastKernelNames } from './registry.js'
export { readRow, rowsPerCall, slices } from './rows.js'

/**
 * Opens kernels: the named implementation, or the fastest in this process that the machine has. If the named one is not
 * available, throws an Error with the reason.
 */
export async function openKernels(options: KernelOptions = {}): Promise<Kernels> {
  const threads = threadsOf(options)
  const { kernel = 'auto' } = options
  if (kernel !== 'auto') return implementations[kernel].open({ threads })
  for (const name of hostKernelNames) {
    const implementation = implementations[name]
    if ((await implementation.missing()) === undefined) return implementation.open({ threads })
  }
  throw new Error('this machine has no kernel')
}

function threadsOf({ threads, oversubscribe = false }: KernelOptions): number {
  const cores = availableParallelism()
  if (threads === undefined) return cores
  return oversubscribe ? threads : Math.min(threads, cores)
}
