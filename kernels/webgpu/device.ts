/// <reference types="@webgpu/types" />
import { existsSync, readdirSync } from 'node:fs'
import type { Adapter } from '../contract.js'
import { deviceFailure } from '../device-failure.js'
import { outOfMemory } from '../memory.js'

/* The one place that knows the package `webgpu`: finding it, an adapter and a device, and what may go wrong with them. */

/** A buffer in the memory of the device. */
export interface Memory {
  /** Tells buffers apart in keys. */
  readonly id: number
  /** The buffer itself. */
  readonly buffer: GPUBuffer
  /** Its size, a multiple of 16. */
  readonly bytes: number
}

/** An open device. */
export interface Gpu {
  /** The device of WebGPU. */
  readonly device: GPUDevice
  /** Name of the adapter and of its driver. */
  readonly name: string
  /** Whether it computes on the CPU. */
  readonly isSoftware: boolean
  /** The most bytes of a buffer. */
  readonly most: number
  /** Throws the error of the device, if it had one, or is closed. */
  check(): void
  /** The error of the device; if it had none: `otherwise`. */
  failure(otherwise: unknown): Error
  /** Makes all calls fail from now on, those that wait too. */
  fail(reason: string | Error): void
  /**
   * Makes a zeroed buffer. Throws an `outOfMemory` if it is larger than one may be here. If the device has no memory left,
   * it fails a moment later.
   */
  memory(label: string, bytes: number, usage?: number): Memory
  /** Destroys the device; may be called again. */
  close(): void
}

/** The usages of buffers, as in the standard. */
export const usage = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const

const ANY = usage.storage | usage.copySource | usage.copyTarget

/** Buffers of at least this size are watched for a lack of memory when they are made. */
const WATCHED_BYTES = 2 ** 26

/** The shaders write the memory of a workgroup before they read it, so that nobody needs to clear it. */
const FEATURES = ['enable-dawn-features=disable_workgroup_init']

/** The command that installs the package. */
export const INSTALL = 'npm install webgpu@0.6.2'

/** The command that installs, on Debian and Ubuntu, what the drivers of GPUs are loaded with. */
export const INSTALL_LOADERS = 'apt-get install libvulkan1 libegl1 libgl1 libgles2 libopengl0'

interface Package {
  create(options: string[]): GPU
}

/**
 * The one instance of WebGPU in this process. The package crashes when an instance is collected before what it made, so it is
 * kept for good.
 */
let instance: GPU | undefined

/** Returns the reason why this machine has no device, or undefined if it has one. */
export async function deviceMissing(): Promise<string | undefined> {
  const found = await findAdapter()
  return typeof found === 'string' ? found : undefined
}

/** Looks for an adapter. Returns the reason if there is none. */
async function findAdapter(): Promise<GPUAdapter | string> {
  const name = 'webgpu'
  let dawn: Package
  try {
    dawn = (await import(name)) as Package
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    return isAbsent && error.message.includes("'webgpu'")
      ? `the package webgpu is not installed; install it: ${INSTALL}`
      : `the package webgpu does not load on this machine: ${reasonOf(error)}`
  }
  if (typeof dawn.create !== 'function')
    return `the package webgpu that is installed is none that Millrace knows; install this one: ${INSTALL}`
  let reason = ''
  try {
    const gpu = instance ?? dawn.create(process.platform === 'linux' ? [...FEATURES, 'backend=vulkan'] : FEATURES)
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
    if (adapter) {
      instance = gpu
      return adapter
    }
  } catch (error) {
    reason = ` (${reasonOf(error)})`
  }
  return `no GPU was found${reason}: ${whatIsMissing()}`
}

function whatIsMissing(): string {
  if (process.platform !== 'linux') return 'install the driver of the GPU'
  if (!hasVulkanLoader()) return `the Vulkan loader is missing; on Debian and Ubuntu: ${INSTALL_LOADERS}`
  const chosen = process.env.VK_ICD_FILENAMES ?? process.env.VK_DRIVER_FILES
  if (chosen) return `VK_ICD_FILENAMES names the driver ${chosen}, which does not work or does not exist`
  return `no Vulkan driver; install that of the GPU (NVIDIA: its driver, and ${INSTALL_LOADERS}; AMD, Intel: mesa-vulkan-drivers)`
}

function hasVulkanLoader(): boolean {
  const triplets = ['/usr/lib', '/usr/lib64', '/usr/local/lib', ...folders('/usr/lib')]
  const own = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)
  return [...own, ...triplets].some((folder) => existsSync(`${folder}/libvulkan.so.1`))
}

function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((each) =>
      each.isDirectory() ? `${path}/${each.name}` : [],
    )
  } catch {
    return []
  }
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!

/** What was thrown, in one line; packages throw anything. */
const reasonOf = (thrown: unknown): string => firstLine(thrown instanceof Error ? thrown.message : String(thrown))

/** What an adapter calls itself, and whether it computes on the CPU. */
function nameOf({ info }: GPUAdapter): { readonly name: string; readonly isSoftware: boolean } {
  // The driver belongs to the name: another one may round differently.
  const model = (info.device || info.architecture || info.vendor).replace(/-+$/, '')
  const name = [model, info.description].filter(Boolean).join(', ') || 'unnamed'
  return { name, isSoftware: info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|basic render/i.test(name) }
}

/** Through what WebGPU reaches the adapter on each system. */
const backends: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'metal', win32: 'd3d12' }

/** Describes the fastest adapter. If there is none, throws an Error with the reason. */
export async function describedAdapter(): Promise<Adapter> {
  const adapter = await findAdapter()
  if (typeof adapter === 'string') throw new Error(adapter)
  const limits: Record<string, number> = {}
  for (const name in adapter.limits) {
    const limit = adapter.limits[name as keyof GPUSupportedLimits]
    if (typeof limit === 'number') limits[name] = limit
  }
  const { vendor, architecture } = adapter.info
  return { ...nameOf(adapter), vendor, architecture, backend: backends[process.platform] ?? 'vulkan', limits }
}

/** Opens a device on the fastest adapter. If there is none, throws an Error with the reason. */
export async function openDevice(): Promise<Gpu> {
  const adapter = await findAdapter()
  if (typeof adapter === 'string') throw new Error(adapter)
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits
  const device = await adapter
    .requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } })
    .catch((cause: unknown) => {
      throw new Error(`the GPU gives no device: ${reasonOf(cause)}`, { cause })
    })
  const { name, isSoftware } = nameOf(adapter)
  const most = Math.min(maxBufferSize, maxStorageBufferBindingSize)
  let error: Error | undefined
  let isClosed = false
  let ids = 0

  function fail(reason: string | Error): void {
    error ??=
      typeof reason === 'string'
        ? deviceFailure(
            `the GPU (${name}) failed: ${reason}; the last checkpoint is good: resume the run, or use another kernel`,
          )
        : reason
    destroy()
  }

  function destroy(): void {
    // The package keeps a device whose handler is set, and may crash over it.
    device.onuncapturederror = null
    device.destroy()
  }

  device.lost.then(
    ({ reason, message }) => {
      if (!isClosed) fail(`it was lost (${reason || 'no reason given'}${message && `: ${firstLine(message)}`})`)
    },
    () => undefined,
  )
  device.onuncapturederror = ({ error }) => fail(firstLine(error.message))

  function check(): void {
    if (isClosed) throw new Error('these kernels are closed')
    if (error) throw error
  }

  function memory(label: string, bytes: number, use: number = ANY): Memory {
    check()
    const size = Math.max(16, Math.ceil(bytes / 16) * 16)
    if (size > most)
      throw outOfMemory(
        size,
        `the GPU (${name}) has buffers of ${most} bytes at most; use fewer rows a batch, features or units, or another kernel`,
      )
    const isWatched = size >= WATCHED_BYTES
    if (isWatched) device.pushErrorScope('out-of-memory')
    const buffer = device.createBuffer({ label, size, usage: use })
    if (isWatched)
      device.popErrorScope().then(
        (lack) =>
          lack &&
          fail(
            outOfMemory(
              size,
              `the GPU (${name}) does not have that much left (${label}); use another kernel, or a smaller model`,
            ),
          ),
        () => undefined,
      )
    return { id: ++ids, buffer, bytes: size }
  }

  return {
    device,
    name,
    isSoftware,
    most,
    check,
    failure: (otherwise) => (isClosed ? new Error('these kernels are closed') : (error ?? (otherwise as Error))),
    fail,
    memory,
    close: () => {
      isClosed = true
      destroy()
    },
  }
}
