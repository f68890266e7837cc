import { Worker } from 'node:worker_threads'
import { createHeap, type Heap } from './heap.js'
import { control, FAILURE_TEXT, phase } from './layout.js'
import { type Exports, instantiate, type Module } from './module.js'

/** Multiply-adds below which a phase is done on the calling thread: about 5 µs of work, what sharing it costs. */
const WORTH_SHARING = 1e5

/** A worker that has not finished an item for so many naps has died: items take milliseconds. */
const NAP_MS = 100
const NAPS = 100

/** A memory, an instance of the module on it, and the worker threads that serve it. */
export interface Arena {
  readonly threads: number
  readonly heap: Heap
  readonly exports: Exports
  readonly workers: readonly Worker[]
  /** The fields of the call in progress, see `layout.ts`. */
  readonly words: Uint32Array
  readonly doubles: Float64Array
  /** False once a worker has failed. */
  readonly sound: boolean
  /** Throws where this may not be used: before anything is written to it. */
  check(): void
  /**
   * Performs `items` independent items of a phase that has `work` multiply-adds, and returns when all are done. Throws
   * if a worker has failed, now or earlier: items may then be lost.
   */
  run(which: keyof typeof phase, items: number, work: number): void
  /** Ends the workers; resolves when they have ended. */
  retire(): Promise<void>
}

export function createArena(module: Module, threads: number): Arena {
  const heap = createHeap()
  const { memory } = heap
  const exports = instantiate(module, memory)
  const words = new Uint32Array(memory.buffer, 0, 512)
  const signals = new Int32Array(memory.buffer, 0, 512)
  const doubles = new Float64Array(memory.buffer, 0, 256)
  let failure: Error | undefined
  let retired = false

  function fail(cause?: unknown): void {
    if (retired || failure) return
    const told = new Uint8Array(memory.buffer, FAILURE_TEXT + 4, words[FAILURE_TEXT / 4]).slice()
    const reason = cause instanceof Error ? cause.message : new TextDecoder().decode(told)
    failure = new Error(`a worker thread of the wasm kernel failed: ${reason || 'it ended or does not answer'}`, {
      cause,
    })
  }

  function wake(): void {
    Atomics.add(signals, control.signal, 1)
    Atomics.notify(signals, control.signal)
  }

  /** Sleeps until the workers have finished what they took; false if they will not. */
  function settle(): boolean {
    Atomics.store(signals, control.callerSleeps, 1)
    let left = Atomics.load(signals, control.unfinished)
    for (let naps = 0; left > 0 && naps < NAPS && !Atomics.load(signals, control.failed); ) {
      naps = Atomics.wait(signals, control.unfinished, left, NAP_MS) === 'timed-out' ? naps + 1 : 0
      left = Atomics.load(signals, control.unfinished)
    }
    Atomics.store(signals, control.callerSleeps, 0)
    return left === 0
  }

  const workers = Array.from({ length: threads - 1 }, (_, i) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      // Workers would otherwise inherit the loaders of the process, and start ten times slower.
      execArgv: [],
      workerData: { module, memory, thread: i + 1 },
    })
    worker.on('error', fail)
    worker.unref()
    return worker
  })
  const ended = workers.map((worker) => new Promise<void>((resolve) => worker.on('exit', () => resolve(fail()))))

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
    get sound() {
      return !failure && !words[control.failed]
    },
    check,
    run: (which, items, work) => {
      check()
      if (threads === 1 || items < 2 || work < WORTH_SHARING) {
        exports.performAll(phase[which], items)
        return
      }
      exports.offer(phase[which], items)
      if (Atomics.load(signals, control.sleepers) > 0) wake()
      if (!exports.share() && !settle()) {
        fail()
        throw failure
      }
    },
    retire: async () => {
      retired = true
      Atomics.store(signals, control.closing, 1)
      wake()
      await Promise.all(ended)
    },
  }
}
