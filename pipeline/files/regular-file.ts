import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { UnfitFile } from '../base/system-errors.js'

/** The most bytes of one call: Node refuses lengths from 2 GiB. */
export const MOST_AT_ONCE = 1 << 30

/** Without O_NONBLOCK, opening a pipe without a writer, or reading a silent device, waits for ever. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Bytes that are read at a time if the size of the file is not known. */
const CHUNK = 1 << 16

/**
 * Reads a file of at most `limit` bytes. Throws an UnfitFile if it is larger, or not a regular file: a pipe may never end,
 * and a device such as `/dev/zero` never does.
 */
export function readRegularFile(path: string, limit: number): Buffer {
  return withRegularFile(path, (file, status) => readWhole(file, limit, path, status))
}

/**
 * Opens a regular file for reading, calls `use` with its descriptor and its status, and closes it. Throws an UnfitFile if it is not
 * a regular file.
 *
 * @param flags that are added to those for reading, such as O_NOFOLLOW
 */
export function withRegularFile<T>(path: string, use: (descriptor: number, status: Stats) => T, flags = 0): T {
  const [file, status] = openRegular(path, flags)
  try {
    return use(file, status)
  } finally {
    closeSync(file)
  }
}

/** Opens a regular file for reading, as `withRegularFile` does, and returns its descriptor and its status. */
export function openRegular(path: string, flags = 0): [descriptor: number, status: Stats] {
  const file = openSync(path, FLAGS | flags)
  try {
    const status = fstatSync(file)
    checkRegular(path, status, Number.POSITIVE_INFINITY)
    return [file, status]
  } catch (error) {
    closeSync(file)
    throw error
  }
}

/** Reads an open file to its end. Throws an UnfitFile that names `path` if it has more than `limit` bytes. */
export function readWhole(file: number, limit: number, path = 'the file', { size } = fstatSync(file)): Buffer {
  if (size > limit) throw tooLarge(path, limit)
  const chunks: Buffer[] = []
  // The size is only a hint. Files in /proc report the size 0.
  for (let length = 0; ; ) {
    // One byte more than the file should have: without it, the file ends there, and no further call has to find that out.
    const wanted = length <= size && size > 0 ? Math.min(size - length + 1, MOST_AT_ONCE) : CHUNK
    const chunk = Buffer.allocUnsafe(wanted)
    const count = readSync(file, chunk, 0, wanted, null)
    chunks.push(chunk.subarray(0, count))
    length += count
    if (length > limit) throw tooLarge(path, limit)
    if (count === 0 || (length === size && count < wanted))
      return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  }
}

/** Opens a file for reading. Rejects with an UnfitFile if it is not a regular file, or has more than `limit` bytes. */
export async function openRegularFile(path: string, limit = Number.POSITIVE_INFINITY): Promise<FileHandle> {
  const file = await open(path, FLAGS)
  try {
    checkRegular(path, await file.stat(), limit)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** The kind of a file, for messages: `a directory`, `a symbolic link`, `a named pipe`, `a socket`, `a file`, `a device`. */
export function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  if (status.isSymbolicLink()) return 'a symbolic link'
  if (status.isFIFO()) return 'a named pipe'
  if (status.isSocket()) return 'a socket'
  return status.isFile() ? 'a file' : 'a device'
}

function checkRegular(path: string, status: Stats, limit: number): void {
  if (!status.isFile()) throw new UnfitFile(path, `it is ${kindOf(status)}, expected a file`)
  if (status.size > limit) throw tooLarge(path, limit)
}

function tooLarge(path: string, limit: number): UnfitFile {
  const size = limit < 1 << 20 ? `${limit} bytes` : `${Math.round(limit / (1 << 20))} MiB`
  return new UnfitFile(path, `it is too large: expected at most ${size}`)
}
