import { type Gpu, type Memory, usage } from './device.js'
import { type Pack, pad } from './packing.js'
import { PARAMS_BYTES, type Params, writeParams } from './params.js'
import { dimensions, type Pipeline } from './shader.js'

/** The dispatches that are gathered before they are submitted: a submission costs as much as several of them. */
const DISPATCHES = 64
/** The multiply-adds after which dispatches are submitted, so that a device with much to do does not wait for more. */
const WORK = 5e8
/** The dispatches that one call of `reserve` may ask for. */
const SLOTS = 4096
/** The least bytes for the rows of steps that have not been submitted. */
const UPLOAD_BYTES = 2 ** 22

const MAP_MODE_READ = 1

/** The buffers of a dispatch, in the order of the shader's bindings. */
export type Buffers = readonly Memory[]

/** Keeps groups of buffers from step to step. */
export type Groups = Map<string, GPUBindGroup>

/**
 * The commands of a device, in order. Dispatches are gathered, and submitted many at a time. What they are told lies in one
 * buffer, and the rows that they need once in another, the buffer of uploads.
 */
export interface Stream {
  /** The buffer of uploads. It is replaced when it is too small; groups that have the old one must not be used again. */
  readonly uploads: Memory
  /**
   * Makes room for what belongs together: so many dispatches, and so many bytes of uploads. Nothing is submitted between
   * them.
   */
  reserve(dispatches: number, bytes: number): void
  /**
   * Puts rows into the buffer of uploads, into room that was reserved, each padded with zeros to `pitch` bytes. Returns where they begin, a
   * multiple of 16.
   */
  upload(source: Uint8Array, rowBytes: number, pitch: number): number
  /** Adds a dispatch. */
  dispatch(pipeline: Pipeline, buffers: Buffers, groups: Groups, workgroups: number, params: Params): void
  /** Tells how many multiply-adds the dispatches since the last call have. Submits them if it is much. */
  worked(multiplyAdds: number): void
  /** Writes to a buffer, after all dispatches so far. Offset and length are multiples of 4 bytes. */
  write(target: Memory, offset: number, source: ArrayBufferView): void
  /** Reads bytes of buffers as they are after all dispatches so far. */
  read(...parts: readonly Part[]): Promise<ArrayBuffer[]>
  /** Submits what was gathered. */
  flush(): void
}

/** Bytes of a buffer. */
export interface Part {
  /** The buffer. */
  readonly memory: Memory
  /** Where they begin. */
  readonly offset: number
  /** How many. */
  readonly bytes: number
}

/** Makes the stream of a device. */
export function makeStream(gpu: Gpu, pack: Pack): Stream {
  const { device } = gpu
  const params = gpu.memory('params', SLOTS * PARAMS_BYTES, usage.uniform | usage.copyTarget)
  const words = new Uint32Array((SLOTS * PARAMS_BYTES) / 4)
  const floats = new Float32Array(words.buffer)
  const window = { buffer: params.buffer, size: PARAMS_BYTES }
  let uploads = gpu.memory('uploads', UPLOAD_BYTES)
  /** The first bytes of the buffer of uploads as they will be: a write for each part of them would cost more than the parts. */
  const staged = new Uint8Array(UPLOAD_BYTES)
  let stagedBytes = 0
  let encoder: GPUCommandEncoder | undefined
  let pass: GPUComputePassEncoder | undefined
  let slots = 0
  let used = 0
  let work = 0
  const free: Memory[] = []

  function flush(): void {
    const bytes = stagedBytes
    work = used = stagedBytes = 0
    if (!encoder) return
    pass?.end()
    if (bytes > 0) device.queue.writeBuffer(uploads.buffer, 0, staged, 0, bytes)
    if (slots > 0) device.queue.writeBuffer(params.buffer, 0, words, 0, (slots * PARAMS_BYTES) / 4)
    device.queue.submit([encoder.finish()])
    encoder = pass = undefined
    slots = 0
  }

  function reserve(dispatches: number, bytes: number): void {
    gpu.check()
    if (slots + dispatches > SLOTS || used + bytes > uploads.bytes) flush()
    if (bytes <= uploads.bytes) return
    const larger = gpu.memory('uploads', Math.max(bytes, Math.min(2 ** Math.ceil(Math.log2(bytes)), gpu.most)))
    uploads.buffer.destroy()
    uploads = larger
  }

  function upload(source: Uint8Array, rowBytes: number, pitch: number): number {
    const at = used
    const end = at + (source.length / rowBytes) * pitch
    used = Math.ceil(end / 16) * 16
    if (end > staged.length) pack(uploads, at, source, rowBytes, pitch)
    else {
      pad(source, rowBytes, pitch, staged, at)
      stagedBytes = end
    }
    return at
  }

  function dispatch(pipeline: Pipeline, buffers: Buffers, groups: Groups, workgroups: number, values: Params): void {
    encoder ??= device.createCommandEncoder()
    pass ??= encoder.beginComputePass()
    writeParams(words, floats, slots, values)
    pass.setPipeline(pipeline.compute)
    pass.setBindGroup(0, groupOf(pipeline, buffers, groups), [slots * PARAMS_BYTES])
    pass.dispatchWorkgroups(...dimensions(workgroups))
    slots++
  }

  function groupOf({ id, layout }: Pipeline, buffers: Buffers, groups: Groups): GPUBindGroup {
    let key = String(id)
    for (const memory of buffers) key += `,${memory.id}`
    let group = groups.get(key)
    if (!group) {
      const entries = [window, ...buffers].map(({ buffer, ...rest }, binding) => ({
        binding,
        resource: 'size' in rest ? { buffer, size: rest.size } : { buffer },
      }))
      group = device.createBindGroup({ layout, entries })
      groups.set(key, group)
    }
    return group
  }

  async function read(...parts: readonly Part[]): Promise<ArrayBuffer[]> {
    gpu.check()
    const bytes = parts.reduce((sum, part) => sum + part.bytes, 0)
    const at = free.findIndex((memory) => memory.bytes >= bytes && memory.bytes <= 4 * bytes + 1024)
    const target = at >= 0 ? free.splice(at, 1)[0]! : gpu.memory('results', bytes, usage.mapRead | usage.copyTarget)
    pass?.end()
    pass = undefined
    encoder ??= device.createCommandEncoder()
    let offset = 0
    for (const part of parts) {
      encoder.copyBufferToBuffer(part.memory.buffer, part.offset, target.buffer, offset, part.bytes)
      offset += part.bytes
    }
    flush()
    try {
      await target.buffer.mapAsync(MAP_MODE_READ, 0, offset)
    } catch (cause) {
      throw gpu.failure(cause)
    }
    const copy = target.buffer.getMappedRange(0, offset).slice(0)
    target.buffer.unmap()
    if (free.length < 4) free.push(target)
    else target.buffer.destroy()
    let from = 0
    return parts.map((part) => {
      const found = copy.slice(from, from + part.bytes)
      from += part.bytes
      return found
    })
  }

  return {
    get uploads() {
      return uploads
    },
    reserve,
    upload,
    dispatch,
    worked: (more) => {
      work += more
      if (slots >= DISPATCHES || work >= WORK) flush()
    },
    write: (target, offset, source) => {
      gpu.check()
      flush()
      device.queue.writeBuffer(
        target.buffer,
        offset,
        source.buffer as ArrayBuffer,
        source.byteOffset,
        source.byteLength,
      )
    },
    read,
    flush,
  }
}
