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
import { promisify } from 'node:util'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'

/** Writes beside the target, then renames. Throws a PipelineError `WRITE`; nothing half-written stays. */
export function replaceFile(target: string, content: string | Uint8Array): void {
  const temporary = `${target}.part`
  attempt('write', target, () => {
    try {
      clear(temporary)
      writeFileSync(temporary, content, { flag: 'wx' })
      renameSync(temporary, target)
    } catch (error) {
      try {
        unlink(temporary)
      } catch {
        // The first error is the one to tell.
      }
      throw error
    }
  })
}

/** What is smaller is written at once: each wait for the event loop takes longer than that. */
const SMALL = 1 << 20

/** Resolves when what was written through a descriptor is on the disk. */
const synced = promisify(fsync)

const writing = promisify(write)

/**
 * Writes beside the target, syncs and renames: it is there whole, or not at all, even when the power fails. The folder is
 * not synced: that is most of the cost, and journals keep names in order, so that the one before it goes after it has come.
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
      for (let at = 0; at < bytes.length; )
        at += bytes.length <= SMALL ? writeSync(file, bytes, at) : (await writing(file, bytes, at)).bytesWritten
      await Promise.all([synced(file), also])
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    unlink(temporary)
    throw error
  }
}

/** Resolves when a file or folder is on the disk; at once for devices. */
export async function syncedPath(path: string): Promise<void> {
  const status = statSync(path)
  // Windows cannot sync a folder, nor does it need to.
  const isSyncable = status.isFile() || (status.isDirectory() && process.platform !== 'win32')
  if (!isSyncable) return
  const file = openSync(path, status.isFile() ? 'r+' : 'r')
  try {
    await synced(file)
  } finally {
    closeSync(file)
  }
}

/** Makes a folder and those above it. Throws what the system says. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // Node says so of a file system that is read-only; making the folder alone tells the reason.
    mkdirSync(path)
  }
}

/** Runs a file operation; its failure becomes a PipelineError that says what was tried and why it failed. */
export function attempt<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('WRITE', fileProblem(action, shortPath(path), error), { cause: error })
  }
}

/** Removes a file, if it is there. Throws a PipelineError `WRITE`. */
export function removeFile(path: string): void {
  attempt('remove', path, () => unlink(path))
}

/** Temporary files are made anew: what another run left there may be a link to somewhere else. */
function clear(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })) unlink(path)
}

/** Removes a file, if it is there, in a fifth of the time that `rmSync` takes. */
function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
