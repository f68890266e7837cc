import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

/** File operations that change something under `folder`, counted; the one with number `at` (from 1) fails. */
export interface Disk {
  /** Operations so far. */
  readonly count: number
  /** The operation that failed, if there has been one. */
  readonly failed: string | undefined
  /** Ends the counting. */
  mend(): void
}

type Operation = (...args: never[]) => unknown

/**
 * Makes one file operation of this process fail with an error of the system, as a full or broken disk would. A write that
 * fails has written half of its bytes before.
 */
export function failingDisk(folder: string, at: number, code: string): Disk {
  const mended: (() => void)[] = []
  const inside = new Set<unknown>()
  let count = 0
  let failed: string | undefined

  function due(name: string): boolean {
    if (++count !== at) return false
    failed = name
    return true
  }
  const failure = (name: string): Error => Object.assign(new Error(`${code}: ${name}`), { code })
  const isInside = (path: unknown): boolean => String(path).startsWith(folder)

  function wrap<T extends object, K extends keyof T>(
    owner: T,
    name: K,
    wrapped: (original: Operation) => Operation,
  ): void {
    const original = owner[name]
    owner[name] = wrapped((original as Operation).bind(owner)) as T[K]
    mended.push(() => {
      owner[name] = original
    })
  }
  const failing =
    (name: string) =>
    (original: Operation): Operation =>
      ((path: unknown, ...rest: never[]) => {
        if (isInside(path) && due(name)) throw failure(name)
        return original(path as never, ...rest)
      }) as Operation

  for (const name of ['mkdirSync', 'renameSync'] as const) wrap(fs, name, failing(name))
  wrap(
    fs,
    'openSync',
    (original) =>
      ((path: string, flags: unknown, ...rest: never[]) => {
        const isWriting = isInside(path) && flags !== undefined && flags !== 'r' && typeof flags !== 'number'
        if (isWriting && due('openSync')) throw failure('openSync')
        const descriptor = original(path as never, flags as never, ...rest)
        if (isWriting) inside.add(descriptor)
        return descriptor
      }) as Operation,
  )
  wrap(
    fs,
    'writeSync',
    (original) =>
      ((descriptor: number, data: Uint8Array | string, ...rest: never[]) => {
        if (inside.has(descriptor) && due('writeSync')) {
          original(descriptor as never, Buffer.from(data as string).subarray(0, data.length / 2) as never)
          throw failure('writeSync')
        }
        return original(descriptor as never, data as never, ...rest)
      }) as Operation,
  )
  wrap(
    fs,
    'writeFileSync',
    (original) =>
      ((path: string, data: Uint8Array | string, ...rest: never[]) => {
        if (isInside(path) && due('writeFileSync')) {
          original(path as never, Buffer.from(data as string).subarray(0, data.length / 2) as never)
          throw failure('writeFileSync')
        }
        return original(path as never, data as never, ...rest)
      }) as Operation,
  )
  wrap(
    fs.promises,
    'rename',
    (original) =>
      (async (path: string, ...rest: never[]) => {
        if (isInside(path) && due('rename')) throw failure('rename')
        return original(path as never, ...rest)
      }) as Operation,
  )
  wrap(
    fs.promises,
    'open',
    (original) =>
      (async (path: string, flags: unknown, ...rest: never[]) => {
        const isWriting = isInside(path) && typeof flags === 'string' && flags !== 'r'
        if (isWriting && due('open')) throw failure('open')
        const handle = (await original(path as never, flags as never, ...rest)) as FileHandle
        if (isWriting)
          for (const name of ['writeFile', 'write', 'sync'] as const)
            wrap(
              handle,
              name,
              (method) =>
                (async (...args: never[]) => {
                  if (due(name)) throw failure(name)
                  return method(...args)
                }) as Operation,
            )
        return handle
      }) as Operation,
  )
  syncBuiltinESMExports()

  return {
    get count() {
      return count
    },
    get failed() {
      return failed
    },
    mend: () => {
      for (const undo of mended.reverse()) undo()
      syncBuiltinESMExports()
    },
  }
}
