import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** Opening a pipe that nobody writes to, or reading a device that has nothing to say, must not wait for ever. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

const PIECE = 1 << 16

/**
 * Reads a file of at most `limit` bytes. Throws an Error where it has more, or is no regular file: a pipe may never
 * end, and a device such as `/dev/zero` never does.
 */
export function readRegularFile(path: string, limit: number): Buffer {
  const file = openSync(path, FLAGS)
  try {
    const { size } = checked(fstatSync(file), limit)
    const pieces: Buffer[] = []
    // Files that the system makes up, such as those in /proc, say that they are empty.
    for (let length = 0, wanted = size || PIECE; ; wanted = PIECE) {
      const piece = Buffer.allocUnsafe(wanted)
      const count = readSync(file, piece, 0, wanted, null)
      if (count === 0) return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
      pieces.push(piece.subarray(0, count))
      length += count
      if (length > limit) throw tooLarge(limit)
    }
  } finally {
    closeSync(file)
  }
}

/** Opens a file to read. Throws as `readRegularFile` does. */
export async function openRegularFile(path: string, limit = Number.POSITIVE_INFINITY): Promise<FileHandle> {
  const file = await open(path, FLAGS)
  try {
    checked(await file.stat(), limit)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

/** What a path is, where it is no regular file: `a named pipe`, `a device` … */
export function kindOf(status: Stats): string {
  if (status.isDirectory()) return 'a directory'
  if (status.isFIFO()) return 'a named pipe'
  if (status.isSocket()) return 'a socket'
  return status.isFile() ? 'a file' : 'a device'
}

function checked(status: Stats, limit: number): Stats {
  if (!status.isFile()) throw new Error(`it is ${kindOf(status)}, expected a file`)
  if (status.size > limit) throw tooLarge(limit)
  return status
}

function tooLarge(limit: number): Error {
  const size = limit < 1 << 20 ? `${limit} bytes` : `${Math.round(limit / (1 << 20))} MiB`
  return new Error(`it is too large: expected at most ${size}`)
}
