import { allocating, outOfMemory } from '../memory.js'
import { RESERVED, roundUp } from './layout.js'
import { type Memory, WebAssembly } from './module.js'

const LINE = 64
const PAGE = 65536
const LIMIT = 65536 * PAGE
/** Memory grows by at least this much: growing makes a new buffer object, and touches no page. */
const GROWTH = 16 * 1024 * 1024

interface Block {
  readonly at: number
  readonly bytes: number
}

/** Memory of one instance of the module, handed out in zeroed blocks that begin on a cache line. */
export interface Heap {
  readonly memory: Memory
  /** Bytes that have ever been handed out. */
  readonly touched: number
  allocate(bytes: number): number
  /** Allocates, and gives what a typed array's constructor wants. */
  place(bytes: number): [buffer: SharedArrayBuffer, at: number]
  free(at: number): void
  /** Takes back all blocks. */
  clear(): void
  /** Whether `buffer` is this memory: growing leaves the older, shorter buffer objects valid. */
  owns(buffer: ArrayBufferLike): boolean
}

/** A shared memory takes all the addresses it may grow to at once. */
function reserved(): Memory {
  try {
    return new WebAssembly.Memory({ initial: 16, maximum: LIMIT / PAGE, shared: true })
  } catch {
    throw outOfMemory(
      LIMIT,
      'the wasm kernel needs that many addresses, if not memory, and is refused them; is there a limit (ulimit -v)?',
    )
  }
}

export function createHeap(): Heap {
  const memory = reserved()
  const generations = new WeakSet<ArrayBufferLike>([memory.buffer])
  const used = new Map<number, number>()
  let holes: Block[] = []
  let top = RESERVED
  let touched = RESERVED

  function allocate(bytes: number): number {
    const size = Math.max(LINE, roundUp(bytes, LINE))
    const hole = holes.findIndex((block) => block.bytes >= size)
    const at = hole < 0 ? extend(size) : fill(hole, size)
    used.set(at, size)
    if (at < touched) new Uint8Array(memory.buffer, at, Math.min(size, touched - at)).fill(0)
    touched = Math.max(touched, at + size)
    return at
  }

  function fill(index: number, size: number): number {
    const { at, bytes } = holes[index]!
    if (bytes > size) holes[index] = { at: at + size, bytes: bytes - size }
    else holes.splice(index, 1)
    return at
  }

  function extend(size: number): number {
    // Kernels may read, and ignore, a few bytes past the end of a block.
    const missing = top + size + LINE - memory.buffer.byteLength
    if (missing > 0) grow(missing, size)
    const at = top
    top += size
    return at
  }

  function grow(missing: number, size: number): void {
    const room = LIMIT - memory.buffer.byteLength
    if (missing > room) {
      throw outOfMemory(
        size,
        `the wasm kernel reaches 4 GiB of memory, of which ${top} bytes are in use; ` +
          'the native and the reference kernel have no such limit',
      )
    }
    const bytes = roundUp(Math.min(room, Math.max(missing, GROWTH)), PAGE)
    allocating(bytes, () => memory.grow(bytes / PAGE))
    generations.add(memory.buffer)
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
    get touched() {
      return touched
    },
    allocate,
    place: (bytes) => {
      const at = allocate(bytes)
      return [memory.buffer, at]
    },
    free,
    clear: () => {
      used.clear()
      holes = []
      top = RESERVED
    },
    owns: (buffer) => generations.has(buffer),
  }
}
