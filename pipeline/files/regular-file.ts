import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { UnfitFile } from '../base/system-errors.js'
import { MOST_AT_ONCE } from './files.js'

/** Without O_NONBLOCK, opening a pipe without a writer, or reading a silent device, waits for ever. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

/** Bytes that are read at a time if the size of the file is not known. */
const CHUNK = 1 << 16

/**
 * Reads a file of at most `limit` bytes. Throws an UnfitFile if it is larger, or not a regular file: a pipe may never end,
 * and a device such as `/dev/zero` never does.
 */
export function readRegularFile(path: string, limit: number): Buffer {
  const file = openSync(path, FLAGS)
  try {
    const status = fstatSync(file)
    checkRegular(path, status, limit)
    const chunks: Buffer[] = []
    // The size is only a hint. Files in /proc report the size 0.
    for (let length = 0; ; ) {
      const wanted = length < status.size ? Math.min(status.size - length, MOST_AT_ONCE) : CHUNK
      const chunk = Buffer.allocUnsafe(wanted)
      const count = readSync(file, chunk, 0, wanted, null)
      if (count === 0) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
      chunks.push(chunk.subarray(0, count))
      length += count
      if (length > limit) throw tooLarge(path, limit)
    }
  } finally {
    closeSync(file)
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

/** The kind of a file, for messages: `a directory`, `a named pipe`, `a socket`, `a symbolic link`, `a file` or `a device`. */
export function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  if (status.isFIFO()) return 'a named pipe'
  if (status.isSocket()) return 'a socket'
  if (status.isSymbolicLink()) return 'a symbolic link'
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
