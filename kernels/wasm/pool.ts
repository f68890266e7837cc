import { type Arena, createArena } from './arena.js'
import type { Heap } from './heap.js'
import { wasmModule } from './module.js'

/** For so long a closed arena keeps its workers, asleep: to start workers takes longer than a short training run. */
const IDLE_MS = 1000

/** Closed arenas whose workers have not ended yet, each with the timer that ends them. */
const idleArenas = new Map<Arena, NodeJS.Timeout>()

/**
 * The heaps of ended arenas, the last one at the end. Only V8's garbage collector can free a shared memory, and it may
 * not run for a long time, because V8 does not count the bytes of shared memory. A new arena therefore takes an old heap
 * that has not been collected. So the process never holds more heaps than it has had open at the same time.
 */
const endedHeaps: WeakRef<Heap>[] = []

/** The use of an arena until `close`. */
export interface Lease {
  /** The arena. Its methods throw an Error after `close`. */
  readonly arena: Arena
  /** Returns the arena to the pool, with all its memory. */
  close(): void
}

/** Takes an idle arena with that many threads, or creates an arena. */
export async function leaseArena(threads: number): Promise<Lease> {
  const module = await wasmModule()
  for (const [arena, timer] of idleArenas) {
    if (arena.threads !== threads || arena.hasFailed) continue
    clearTimeout(timer)
    idleArenas.delete(arena)
    return lease(arena)
  }
  return lease(createArena(module, threads, takeEndedHeap()))
}

function takeEndedHeap(): Heap | undefined {
  let heap: Heap | undefined
  while (!heap && endedHeaps.length > 0) heap = endedHeaps.pop()!.deref()
  return heap
}

/** Wraps an arena so that kernels that use it after they were closed do not reach it: it may have another user then. */
function lease(arena: Arena): Lease {
  const { heap } = arena
  let isOpen = true
  const check = (): void => {
    if (!isOpen) throw new Error('these kernels are closed')
  }
  return {
    arena: {
      ...arena,
      heap: {
        ...heap,
        allocate: (bytes) => {
          check()
          return heap.allocate(bytes)
        },
        place: (bytes) => {
          check()
          return heap.place(bytes)
        },
        free: (at) => {
          if (isOpen) heap.free(at)
        },
      },
      check: () => {
        check()
        arena.check()
      },
      run: (which, items, work) => {
        check()
        arena.run(which, items, work)
      },
    },
    close: () => {
      if (isOpen) shelve(arena)
      isOpen = false
    },
  }
}

/** Frees the arena's blocks, and ends its workers unless the arena is leased again soon. */
function shelve(arena: Arena): void {
  arena.heap.clear()
  idleArenas.set(arena, setTimeout(endArena, IDLE_MS, arena).unref())
}

async function endArena(arena: Arena): Promise<void> {
  idleArenas.delete(arena)
  await arena.end()
  if (!arena.hasFailed) endedHeaps.push(new WeakRef(arena.heap))
}
