import { Worker } from 'node:worker_threads'
import { createHeap, type Heap } from './heap.js'
import { FAILURE_TEXT, phase, word } from './layout.js'
import { type Exports, instantiate, type Module } from './module.js'

/** Multiply-adds below which a phase is done on the calling thread: about 5 µs of work, what sharing it costs. */
const WORTH_SHARING = 1e5

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

  return {
    threads,
    heap,
    exports,
    workers,
    words,
    doubles,
    get sound() {
      return !failure && !words[word.failed]
    },
    run: (which, items, work) => {
      const alone = threads === 1 || items < 2 || work < WORTH_SHARING
      if (words[word.failed]) fail()
      if (!failure && exports.run(phase[which], items, alone) !== 0) fail()
      if (failure) throw failure
    },
    retire: async () => {
      retired = true
      Atomics.store(words, word.closing, 1)
      exports.wake()
      await Promise.all(ended)
    },
  }
}
