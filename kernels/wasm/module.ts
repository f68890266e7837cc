import { readFile } from 'node:fs/promises'
import { packagePath } from '../places.js'

/** A `WebAssembly.Memory`. TypeScript declares the types of WebAssembly only together with the DOM. */
export interface Memory {
  /** The whole memory. Growing makes a new buffer. */
  readonly buffer: SharedArrayBuffer
  /** Grows by a number of pages of 64 KiB, and returns how many there were before. */
  grow(pages: number): number
}

/** A `WebAssembly.Module`, which can be sent to worker threads. */
export type Module = object

interface Namespace {
  Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => Memory
  Instance: new (module: Module, imports: { env: { memory: Memory } }) => { exports: object }
  compile(bytes: Uint8Array): Promise<Module>
}

/** The parts of the global `WebAssembly` that the kernels use. */
export const { WebAssembly } = globalThis as unknown as { WebAssembly: Namespace }

/** The functions that `assembly/index.ts` exports. They read and write the fields of `Call` in `assembly/call.ts`. */
export interface Exports {
  /** Does all items of a phase on the calling thread. */
  performAll(phase: number, items: number): void
  /** Offers the items of a phase to all threads. */
  offer(phase: number, items: number): void
  /** Works on the offered phase. Returns 0 if workers are still busy with items of it. */
  share(): number
  /** Works on offered phases on worker `thread`, until there has been nothing to do for a while. */
  serve(thread: number): void
  /** Returns 0 if no thread can take an item. */
  hasItems(): number
  /** Bytes of working memory that one thread needs. */
  scratchBytes(lanes: number): number
  /** Adds the scores of `items` items, and replaces the first score with the sums. */
  sumScores(items: number): void
  /** Copies `slopes` of this pass to `g`. */
  takeSlopes(): void
  /** Copies `slopes` of a phase `product` to `g`. */
  pairSlopes(): void
  /** Lists the slopes in `g` that are not 0. */
  listSlopes(): void
  /** Sums `g` over the rows of this pass into `gPass`, and adds that to `gSum`. */
  sumGradients(): void
  /** Updates the biases with the mean of `g`. */
  updateBias(): void
  /** Sum of the squares of all weights. */
  penalty(): number
}

let compiled: Promise<Module> | undefined

/** Compiles the module once per process. All instances and threads share its code. */
export function wasmModule(): Promise<Module> {
  compiled ??= readFile(packagePath('dist/kernels/wasm/kernels.wasm')).then((bytes) => WebAssembly.compile(bytes))
  return compiled
}

/** Makes an instance of the module that works on a memory. */
export function instantiate(module: Module, memory: Memory): Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Exports
}
