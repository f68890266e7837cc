import { Worker } from 'node:worker_threads'
import { checkRoomForThreads } from '../memory.js'
import { entryPoint } from '../places.js'
import { createHeap, type Heap } from './heap.js'
import { CONSTANTS, control, phase } from './layout.js'
import { type Exports, instantiate, type Module } from './module.js'

/** Multiply-adds of a phase from which workers share it. To share a phase costs as much as this many: about 5 µs. */
const MIN_SHARED_WORK = 1e5

/** The calling thread waits this often, this long, for a worker to finish an item. Items take a few milliseconds. */
const WAIT_MS = 100
const MAX_WAITS = 100

/** A memory, an instance of the module that works on it, and the worker threads of that instance. */
export interface Arena {
  /** Number of threads, the calling thread included. */
  readonly threads: number
  /** The memory of the instance, and its allocator. */
  readonly heap: Heap
  /** The functions of the instance on the calling thread. */
  readonly exports: Exports
  /** The worker threads; one less than `threads`. */
  readonly workers: readonly Worker[]
  /** The start of the memory in elements of 4 bytes; `word` has the indexes of the fields of `Call`. */
  readonly words: Uint32Array
  /** The start of the memory in elements of 8 bytes; `double` has the indexes of the fields of `Call`. */
  readonly doubles: Float64Array
  /** True once a worker has failed. */
  readonly hasFailed: boolean
  /** Throws if the arena cannot be used. Callers check before they write to its memory. */
  check(): void
  /**
   * Does `items` items of a phase that has `work` multiply-adds, and returns when all are done. Throws an Error if a
   * worker has failed, now or earlier: some items may then not be done.
   */
  run(which: keyof typeof phase, items: number, work: number): void
  /** Ends the workers. Resolves when their threads have ended. */
  end(): Promise<void>
}

/**
 * Creates an arena and starts its workers. `heap` may have belonged to an arena that has ended; blocks allocated from it
 * remain.
 */
export function createArena(module: Module, threads: number, heap: Heap = createHeap()): Arena {
  const { memory } = heap
  const words = new Uint32Array(memory.buffer, 0, CONSTANTS / 4).fill(0)
  const signals = new Int32Array(memory.buffer, 0, CONSTANTS / 4)
  const doubles = new Float64Array(memory.buffer, 0, CONSTANTS / 8)
  const exports = instantiate(module, memory)
  let failure: Error | undefined
  let hasEnded = false

  function fail(cause?: unknown): void {
    if (hasEnded || failure) return
    const message = new Uint8Array(memory.buffer, control.message * 4, words[control.messageLength]).slice()
    const reason = cause instanceof Error ? cause.message : new TextDecoder().decode(message)
    failure = new Error(`a worker thread of the wasm kernel failed: ${reason || 'it ended or does not answer'}`, {
      cause,
    })
  }

  function wakeWorkers(): void {
    Atomics.add(signals, control.wakeUps, 1)
    Atomics.notify(signals, control.wakeUps)
  }

  /** Sleeps until the workers have finished the items they took. Returns false if one has failed or does not answer. */
  function waitForWorkers(): boolean {
    Atomics.store(signals, control.callerSleeps, 1)
    let left = Atomics.load(signals, control.unfinished)
    for (let waits = 0; left > 0 && waits < MAX_WAITS && !Atomics.load(signals, control.failed); ) {
      waits = Atomics.wait(signals, control.unfinished, left, WAIT_MS) === 'timed-out' ? waits + 1 : 0
      left = Atomics.load(signals, control.unfinished)
    }
    Atomics.store(signals, control.callerSleeps, 0)
    return left === 0
  }

  checkRoomForThreads(threads - 1)
  const workers = Array.from({ length: threads - 1 }, (_, i) => {
    const worker = new Worker(entryPoint('kernels/wasm/worker.js'), {
      // By default workers load the loaders of the process, and then start ten times slower.
      execArgv: [],
      workerData: { module, memory, thread: i + 1 },
    })
    worker.on('error', fail)
    worker.unref()
    return worker
  })
  const exits = workers.map((worker) => new Promise<void>((resolve) => worker.on('exit', () => resolve(fail()))))

  function check(): void {
    if (words[control.failed]) fail()
    if (failure) throw failure
  }

  return {
    threads,
    heap,
    exports,
    workers,
    words,
    doubles,
    get hasFailed() {
      return failure !== undefined || words[control.failed] !== 0
    },
    check,
    run: (which, items, work) => {
      check()
      if (threads === 1 || items < 2 || work < MIN_SHARED_WORK) {
        exports.performAll(phase[which], items)
        return
      }
      exports.offer(phase[which], items)
      if (Atomics.load(signals, control.sleepers) > 0) wakeWorkers()
      if (!exports.share() && !waitForWorkers()) {
        fail()
        throw failure
      }
    },
    end: async () => {
      hasEnded = true
      Atomics.store(signals, control.closing, 1)
      wakeWorkers()
      await Promise.all(exits)
    },
  }
}
