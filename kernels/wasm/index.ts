import { checkNetwork, checkThreads } from '../check.js'
import type { Kernels } from '../contract.js'
import { isSoftmax } from '../dense-layer.js'
import { layeredNetwork } from '../layered-network.js'
import { computeMoments } from './moments.js'
import { leaseArena } from './pool.js'
import { createSoftmax } from './softmax.js'

/** See `Kernels.slice`: 5 to 20 ms on one thread, up to 50 ms with two classes. */
const SLICE = 1e8

/**
 * Kernels in WebAssembly, 128-bit SIMD in float32: they run wherever Node does. Their source is in `assembly/`.
 *
 * `threads` counts the calling thread. All memory lies in one WebAssembly memory, which reaches 4 GiB.
 */
export async function wasmKernels({ threads }: { threads: number }): Promise<Kernels> {
  checkThreads(threads)
  const { arena, close } = await leaseArena(threads)
  return {
    name: 'wasm',
    detail: 'simd128',
    threads,
    precision: 'float32',
    slice: SLICE,
    allocate: (bytes) => new Uint8Array(...arena.heap.place(bytes), bytes),
    memoryOutlivesClose: false,
    network: (shape) => {
      checkNetwork(shape)
      if (isSoftmax(shape)) return createSoftmax(arena, shape.features, shape.layers[0]!.units)
      return layeredNetwork(shape, (inputs, units) => createSoftmax(arena, inputs, units))
    },
    moments: (values, features) => computeMoments(arena, values, features),
    close,
  }
}
