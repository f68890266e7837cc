import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Arena, createArena } from './arena.js'
import { wasmModule } from './module.js'

/**
 * A closed arena is kept this long for the next user, its workers asleep. Only the garbage collector can give a shared
 * memory back, and it does not know how large they are: opening and closing in a loop had better use one.
 */
const IDLE_MS = 1000

/** An arena that has used more bytes than this is worth a garbage collection of its own. */
const WORTH_COLLECTING = 32 * 1024 * 1024

const idle = new Map<Arena, NodeJS.Timeout>()

/** The use of an arena until `close`. */
export interface Lease {
  readonly arena: Arena
  close(): void
}

/** Takes an idle arena with that many threads, or makes one. */
export async function leaseArena(threads: number): Promise<Lease> {
  const module = await wasmModule()
  for (const [arena, timer] of idle) {
    if (arena.threads !== threads || !arena.sound) continue
    clearTimeout(timer)
    idle.delete(arena)
    return lease(arena)
  }
  return lease(createArena(module, threads))
}

/** What is left over from a closed lease must not reach the arena, which may be someone else's by then. */
function lease(arena: Arena): Lease {
  const { heap } = arena
  let open = true
  const check = (): void => {
    if (!open) throw new Error('these kernels are closed')
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
          if (open) heap.free(at)
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
      if (open) shelve(arena)
      open = false
    },
  }
}

/** Takes all memory back. If nobody wants the arena soon, its workers end and the memory returns to the system. */
function shelve(arena: Arena): void {
  arena.heap.clear()
  idle.set(arena, setTimeout(dispose, IDLE_MS, arena).unref())
}

async function dispose(arena: Arena): Promise<void> {
  idle.delete(arena)
  await arena.retire()
  // A turn later, when nothing on the stack refers to the arena.
  if (arena.heap.touched > WORTH_COLLECTING) setImmediate(collectGarbage)
}

function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  setFlagsFromString('--no-expose-gc')
}
