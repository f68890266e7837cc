import type { Adapter, Kernels } from '../contract.js'

/** Returns the reason why this machine has no kernels on a GPU, or undefined if it has them. Never throws. */
export async function webgpuMissing(): Promise<string | undefined> {
  return 'the package webgpu is not installed: npm install webgpu'
}

/** Opens the kernels on a GPU. If there is none, throws an Error with the reason. */
export async function webgpuKernels(): Promise<Kernels> {
  throw new Error(await webgpuMissing())
}

/** Describes the adapter. If there is none, throws an Error with the reason. */
export async function webgpuAdapter(): Promise<Adapter> {
  throw new Error(await webgpuMissing())
}
