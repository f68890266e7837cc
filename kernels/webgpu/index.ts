import { checkNetwork } from '../check.js'
import type { Adapter, Kernels } from '../contract.js'
import { allocating, checkLength } from '../memory.js'
import { moments } from '../reference.js'
import { describedAdapter, deviceMissing, type Gpu, openDevice } from './device.js'
import { STEPS_AHEAD } from './losses.js'
import { deviceNetwork } from './network.js'
import { packer } from './packing.js'
import { makeRowStore } from './rows.js'
import { compiler } from './shader.js'
import type { Shared } from './shared.js'
import { makeStream } from './stream.js'

/**
 * Kernels on a GPU, NVIDIA, AMD, Intel or Apple, through WebGPU: float32, in WGSL compute shaders. They need the package
 * `webgpu` and a driver.
 *
 * Bytes stay bytes on the device. Every sum has a fixed order, so the same adapter gives the same bits; another one may
 * round differently.
 */

/** See `Kernels.slice`: nothing here waits for the device, but a call should end. */
const SLICE = { software: 2e9, hardware: 1e11 }

/** The workgroups that keep a device busy, see `divide`. */
const BUSY = { software: 8, hardware: 256 }

/** The most layers: the commands of a step are submitted together. */
const MOST_LAYERS = 250

/** Returns the reason why this machine has no kernels on a GPU, or undefined if it has them. Never throws. */
export async function webgpuMissing(): Promise<string | undefined> {
  return deviceMissing()
}

/** Opens the kernels on the fastest GPU. If there is none, throws an Error with the reason. */
export async function webgpuKernels(): Promise<Kernels> {
  return kernelsOn(await openDevice())
}

/** The kernels on a device. `division`: other than by default, to measure what is fastest (`bench/gpu-tiles.js`). */
export function kernelsOn(gpu: Gpu, division: Partial<Shared['division']> = {}): Kernels {
  const pack = packer(gpu)
  const stream = makeStream(gpu, pack)
  const kind = gpu.isSoftware ? 'software' : 'hardware'
  const shared: Shared = {
    gpu,
    stream,
    store: makeRowStore(gpu, stream, pack),
    compile: compiler(gpu),
    division: { busy: BUSY[kind], tiles: {}, ...division },
  }
  return {
    name: 'webgpu',
    detail: gpu.isSoftware ? `${gpu.name}, software` : gpu.name,
    threads: 1,
    precision: 'float32',
    slice: SLICE[kind],
    stepsAhead: STEPS_AHEAD,
    isSoftware: gpu.isSoftware,
    memoryOutlivesClose: true,
    allocate: (bytes) => {
      checkLength(bytes, bytes)
      return allocating(bytes, () => new Uint8Array(new SharedArrayBuffer(bytes)))
    },
    network: (shape) => {
      gpu.check()
      checkNetwork(shape)
      if (shape.layers.length > MOST_LAYERS)
        throw new RangeError(`expected ${MOST_LAYERS} layers at most, got ${shape.layers.length}`)
      return deviceNetwork(shape, shared)
    },
    moments: (values, features) => {
      gpu.check()
      return moments(values, features)
    },
    close: gpu.close,
  }
}

/** Describes the adapter. If there is none, throws an Error with the reason. */
export async function webgpuAdapter(): Promise<Adapter> {
  return describedAdapter()
}
