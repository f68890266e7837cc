import {
  closeSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  write,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { type ErrorCode, fileProblem, PipelineError } from '../base/errors.js'
import { UnfitFile } from '../base/system-errors.js'
import { shortPath } from '../base/words.js'
import { kindOf, MOST_AT_ONCE } from './regular-file.js'

/**
 * Replaces a file, or creates it. Writes a temporary file beside it and renames that, so that no reader sees a part of
 * the content. Throws a PipelineError `WRITE`; the old content then stays.
 */
export function replaceFile(target: string, content: string | Uint8Array): void {
  const temporary = `${target}.part`
  attempt('write', target, () => {
    // What is no file, such as /dev/stdout, would be replaced by one.
    const found = lstatSync(target, { throwIfNoEntry: false })
    if (found && !found.isFile()) throw new UnfitFile(target, `it is ${kindOf(found)}, expected a file`)
    try {
      clear(temporary)
      for (const [i, part] of partsOf(content).entries()) writeFileSync(temporary, part, { flag: i === 0 ? 'wx' : 'a' })
      renameSync(temporary, target)
    } catch (error) {
      try {
        unlink(temporary)
      } catch {
        // Report the first error, which is the cause.
      }
      throw error
    }
  })
}

/** Up to this size, in bytes, files are written synchronously. Waiting for the event loop would take longer. */
const MAX_SYNCHRONOUS = 1 << 20

/** Resolves once the file of a descriptor has been synced to disk. */
const syncDescriptor = promisify(fsync)

const writeAsync = promisify(write)

/**
 * Creates or replaces a file so that after a power failure it is complete or missing, never a part. Writes a temporary
 * file, syncs it, waits for `also`, and renames it. Rejects with the error of the system, or of `also`.
 *
 * Does not sync the folder, because that is the slowest part. File systems with a journal keep the order of changes to
 * names: if the removal of an older file has reached the disk, so has this new name.
 */
export async function writeDurably(
  target: string,
  bytes: Uint8Array,
  also: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  const temporary = `${target}.part`
  clear(temporary)
  const file = openSync(temporary, 'wx')
  try {
    try {
      for (let at = 0; at < bytes.length; ) {
        const length = Math.min(bytes.length - at, MOST_AT_ONCE)
        at +=
          bytes.length <= MAX_SYNCHRONOUS
            ? writeSync(file, bytes, at, length)
            : (await writeAsync(file, bytes, at, length)).bytesWritten
      }
      await Promise.all([syncDescriptor(file), also])
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    unlink(temporary)
    throw error
  }
}

/** Resolves once a file or folder has been synced to disk. Does nothing for devices, pipes and sockets. */
export async function syncPath(path: string): Promise<void> {
  const status = statSync(path)
  // Windows cannot sync a folder, and does not need it.
  const isSyncable = status.isFile() || (status.isDirectory() && process.platform !== 'win32')
  if (!isSyncable) return
  const file = openSync(path, status.isFile() ? 'r+' : 'r')
  try {
    await syncDescriptor(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Makes a folder and the missing folders above it. Throws the error of the system. (The `recursive` of Node never ends
 * in `/proc`, and reports ENOENT for a read-only file system.)
 */
export function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  const parent = dirname(path)
  // Where a file takes the place of the parent, the system has the better error: that of `path`.
  if (statSync(parent, { throwIfNoEntry: false }) === undefined) makeFolder(parent)
  try {
    mkdirSync(path)
  } catch (error) {
    // Another process may have made it in the meantime.
    const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST'
    if (!(isThere && statSync(path, { throwIfNoEntry: false })?.isDirectory())) throw error
  }
}

/**
 * Runs a file operation and returns its result. If it fails, throws a PipelineError: `cannot ACTION PATH: REASON`, with
 * this code. A PipelineError is thrown on unchanged.
 */
export function attempt<T>(action: string, path: string, operation: () => T, code: ErrorCode = 'WRITE'): T {
  try {
    return operation()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError(code, fileProblem(action, shortPath(path), error), { cause: error })
  }
}

/** Removes a file if it exists. Throws a PipelineError `WRITE` if that fails. */
export function removeFile(path: string): void {
  attempt('remove', path, () => unlink(path))
}

/** Cuts bytes into parts that one call writes. */
function partsOf(content: string | Uint8Array): (string | Uint8Array)[] {
  if (content.length <= MOST_AT_ONCE || typeof content === 'string') return [content]
  return Array.from({ length: Math.ceil(content.length / MOST_AT_ONCE) }, (_, i) =>
    content.subarray(i * MOST_AT_ONCE, (i + 1) * MOST_AT_ONCE),
  )
}

/** Removes an old temporary file before a new one is made. It might be a symbolic link to another place. */
function clear(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })) unlink(path)
}

/** Removes a file if it exists. `unlinkSync` takes a fifth of the time of `rmSync`. */
function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
