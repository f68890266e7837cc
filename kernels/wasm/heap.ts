import { allocating, outOfMemory } from '../memory.js'
import { HEAP_START, roundUp } from './layout.js'
import { type Memory, WebAssembly } from './module.js'

const CACHE_LINE = 64
const PAGE = 65536
/** The most that 32-bit addresses reach. */
const LIMIT = 65536 * PAGE
/** Memory grows by at least this much, because each time makes a new buffer object. Unused bytes cost only addresses. */
const GROWTH = 16 * 1024 * 1024

const noMore = 'the wasm kernel reaches 4 GiB of memory; the native and the reference kernel have no such limit'

/** The size of a block that holds `bytes`. */
const sizeOf = (bytes: number): number => Math.max(CACHE_LINE, roundUp(bytes, CACHE_LINE))

interface Block {
  readonly at: number
  readonly bytes: number
}

/** The memory of an instance of the module, and an allocator of zeroed blocks that begin on a cache line. */
export interface Heap {
  /** The shared memory of the instance. */
  readonly memory: Memory
  /** Allocates a block and returns its address. Throws an `outOfMemory`. */
  allocate(bytes: number): number
  /** Allocates a block and returns the first two arguments for the constructor of a typed array in it. */
  place(bytes: number): [buffer: SharedArrayBuffer, at: number]
  /**
   * Throws an `outOfMemory` if blocks of these sizes, in bytes, would never fit into an empty heap. `what` names what
   * needs them.
   */
  checkTotal(what: string, sizes: readonly number[]): void
  /** Frees the block at an address. Does nothing if there is no block. */
  free(at: number): void
  /** Frees all blocks. */
  clear(): void
  /** Returns whether `buffer` is this memory. After the memory has grown, its older buffers are still valid. */
  owns(buffer: ArrayBufferLike): boolean
}

/** Creates a memory. A shared memory reserves at once all the addresses up to which it may grow. */
function createMemory(): Memory {
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: LIMIT / PAGE, shared: true })
  } catch {
    throw outOfMemory(
      LIMIT,
      'the wasm kernel needs that many addresses, if not memory, and is refused them; is there a limit (ulimit -v)?',
    )
  }
}

/** Creates an empty heap. Throws an `outOfMemory` if the system refuses the addresses. */
export function createHeap(): Heap {
  const memory = createMemory()
  const buffers = new WeakSet<ArrayBufferLike>([memory.buffer])
  const used = new Map<number, number>()
  /** Free blocks below `top`, by address. */
  let holes: Block[] = []
  /** The end of the last block. */
  let top = HEAP_START
  /** The end of the bytes that may not be zero, because they have been part of a block. */
  let touched = HEAP_START

  function allocate(bytes: number): number {
    const size = sizeOf(bytes)
    const hole = holes.findIndex((block) => block.bytes >= size)
    const at = hole < 0 ? takeTop(size) : takeHole(hole, size)
    used.set(at, size)
    if (at < touched) new Uint8Array(memory.buffer, at, Math.min(size, touched - at)).fill(0)
    touched = Math.max(touched, at + size)
    return at
  }

  function takeHole(index: number, size: number): number {
    const { at, bytes } = holes[index]!
    if (bytes > size) holes[index] = { at: at + size, bytes: bytes - size }
    else holes.splice(index, 1)
    return at
  }

  function takeTop(size: number): number {
    // Kernels may read a few bytes past the end of a block. They ignore what they read there.
    const missing = top + size + CACHE_LINE - memory.buffer.byteLength
    if (missing > 0) grow(missing, size)
    const at = top
    top += size
    return at
  }

  function grow(missing: number, size: number): void {
    const room = LIMIT - memory.buffer.byteLength
    if (missing > room) throw outOfMemory(size, `${noMore}; ${top} bytes are in use`)
    const bytes = roundUp(Math.min(room, Math.max(missing, GROWTH)), PAGE)
    allocating(bytes, () => memory.grow(bytes / PAGE))
    buffers.add(memory.buffer)
  }

  function free(at: number): void {
    const bytes = used.get(at)
    if (bytes === undefined) return
    used.delete(at)
    const merged: Block[] = []
    for (const block of [...holes, { at, bytes }].sort((a, b) => a.at - b.at)) {
      const last = merged.at(-1)
      if (last && last.at + last.bytes === block.at)
        merged[merged.length - 1] = { at: last.at, bytes: last.bytes + block.bytes }
      else merged.push(block)
    }
    const last = merged.at(-1)!
    if (last.at + last.bytes === top) {
      top = last.at
      merged.pop()
    }
    holes = merged
  }

  return {
    memory,
    allocate,
    checkTotal: (what, sizes) => {
      const total = sizes.reduce((sum, bytes) => sum + sizeOf(bytes), HEAP_START + CACHE_LINE)
      if (total > LIMIT) throw outOfMemory(total, `${what} needs them, and ${noMore}`)
    },
    place: (bytes) => {
      const at = allocate(bytes)
      return [memory.buffer, at]
    },
    free,
    clear: () => {
      used.clear()
      holes = []
      top = HEAP_START
    },
    owns: (buffer) => buffers.has(buffer),
  }
}
