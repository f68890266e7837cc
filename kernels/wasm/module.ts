import { readFile } from 'node:fs/promises'

/** What of WebAssembly is used here: TypeScript declares it only together with the DOM. */
export interface Memory {
  readonly buffer: SharedArrayBuffer
  grow(pages: number): number
}
export type Module = object
interface Namespace {
  Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => Memory
  Instance: new (module: Module, imports: { env: { memory: Memory } }) => { exports: object }
  compile(bytes: Uint8Array): Promise<Module>
}
export const { WebAssembly } = globalThis as unknown as { WebAssembly: Namespace }

/** What `assembly/index.ts` exports. */
export interface Exports {
  performAll(phase: number, items: number): void
  offer(phase: number, items: number): void
  share(): number
  serve(thread: number): void
  hasItems(): number
  scratchBytes(lanes: number): number
  sumScores(items: number): void
  sumSlopes(): void
  descendBias(): void
  penalty(): number
}

let compiled: Promise<Module> | undefined

/** The compiled module, one per process: its code is shared by all instances and threads. */
export function wasmModule(): Promise<Module> {
  compiled ??= readFile(new URL('./kernels.wasm', import.meta.url)).then((bytes) => WebAssembly.compile(bytes))
  return compiled
}

/** Binds the module to a memory. */
export function instantiate(module: Module, memory: Memory): Exports {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Exports
}
