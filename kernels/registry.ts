import { type KernelName, type Kernels, kernelNames } from './contract.js'

/** How an implementation of the kernels is found and opened. It is loaded only when it is asked for. */
export interface Implementation {
  /** Why this machine does not have it; undefined if it has. */
  missing(): Promise<string | undefined>
  /** Opens it. Throws an Error that says why if it is missing. */
  open(options: { readonly threads: number }): Promise<Kernels>
}

/** The implementations by name. A new kernel is a name in `contract.ts` and an entry here. */
export const implementations: Readonly<Record<KernelName, Implementation>> = {
  native: {
    missing: async () => (await import('./native/index.js')).nativeMissing(),
    open: async (options) => (await import('./native/index.js')).nativeKernels(options),
  },
  wasm: {
    missing: async () => undefined,
    open: async (options) => (await import('./wasm/index.js')).wasmKernels(options),
  },
  reference: {
    missing: async () => undefined,
    open: async () => (await import('./reference.js')).referenceKernels(),
  },
}

/** The implementations that are checked against the reference. */
export const fastKernelNames = kernelNames.filter((name) => name !== 'reference')
