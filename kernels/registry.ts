import { type Adapter, hostKernelNames, type KernelName, type Kernels } from './contract.js'

/** Finds and opens an implementation of the kernels. Its code is loaded on the first call. */
export interface Implementation {
  /** Returns the reason why the implementation is not available on this machine, or undefined if it is. */
  missing(): Promise<string | undefined>
  /** Opens the kernels. If they are not available, throws an Error with the reason. */
  open(options: { readonly threads: number }): Promise<Kernels>
  /** Returns what it computes on, if that is a device. If there is none, throws an Error with the reason. */
  adapter?(): Promise<Adapter>
}

/** The implementations by name. To add a kernel, add a name in `contract.ts` and an entry here. */
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
  webgpu: {
    missing: async () => (await import('./webgpu/index.js')).webgpuMissing(),
    open: async () => (await import('./webgpu/index.js')).webgpuKernels(),
    adapter: async () => (await import('./webgpu/index.js')).webgpuAdapter(),
  },
}

/** The implementations in this process that are checked against the reference. */
export const fastKernelNames = hostKernelNames.filter((name) => name !== 'reference')
