import { availableParallelism } from 'node:os'

import type { KernelOptions, Kernels } from './contract.js'

export type {
  Affine,
  Evaluation,
  KernelName,
  KernelOptions,
  Kernels,
  Moments,
  Parameters,
  Rows,
  Softmax,
} from './contract.js'
export { rowsPerCall, slices } from './slices.js'

/**
 * Opens kernels: the named ones, or the fastest that this machine has. Each implementation is loaded only when it is
 * asked for. Throws an Error that says why where the named one cannot be had.
 */
export async function openKernels(options: KernelOptions = {}): Promise<Kernels> {
  const { kernel } = options
  const threads = threadsOf(options)
  if (kernel === 'reference') return (await import('./reference.js')).referenceKernels()
  if (kernel !== 'wasm') {
    const { nativeKernels, nativeMissing } = await import('./native/index.js')
    if (kernel === 'native' || !nativeMissing()) return nativeKernels({ threads })
  }
  return (await import('./wasm/index.js')).wasmKernels({ threads })
}

function threadsOf({ threads, oversubscribe = false }: KernelOptions): number {
  const cores = availableParallelism()
  if (threads === undefined) return cores
  return oversubscribe ? threads : Math.min(threads, cores)
}
