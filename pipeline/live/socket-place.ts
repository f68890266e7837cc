import { createHash } from 'node:crypto'
import { chmodSync, lstatSync, mkdtempSync, readlinkSync, rmSync, type Stats, symlinkSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, win32 } from 'node:path'

/** The name of the socket in a run directory. */
export const SOCKET = 'live.sock'

/** The longest path of a socket that every system takes, in bytes: macOS has 104 with the closing 0, Linux 108. */
const LONGEST = 103

/** Where the socket of a run is made. */
export interface SocketPlace {
  /** A path that a process can listen at. */
  readonly path: string
  /** Removes the socket, and all that was made for it. Never throws. */
  remove(): void
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST
}

/**
 * Makes room for the socket of a run: `live.sock` in its directory. If that path is too long for a socket, the socket
 * lies in a temporary folder that only this user may enter, and `live.sock` is a link to it. A socket or link that a
 * killed run has left is removed; the caller has locked the directory. Throws if there is no such place, or if a file of
 * another kind has that name. On Windows it is a pipe, which goes with its process.
 */
export function makeSocketPlace(directory: string, platform = process.platform): SocketPlace {
  if (platform === 'win32') return pipePlace(directory)
  const path = join(directory, SOCKET)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found) {
    if (!found.isSocket() && !found.isSymbolicLink()) throw new Error(`${SOCKET} is no socket`)
    unlinkSync(path)
  }
  const short = shortest(path)
  if (fits(short)) return { path: short, remove: () => removeSocket(path) }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-live-'))
  const remove = (): void => {
    removeSocket(path)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const target = join(folder, SOCKET)
    if (!fits(target)) throw new Error('the path of the temporary folder is too long for a socket')
    symlinkSync(target, path)
    return { path: target, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/**
 * The pipe of a run on Windows, where sockets are no files. Its name comes from the path of the directory, in which small
 * and capital letters are the same.
 */
function pipePlace(directory: string): SocketPlace {
  const path = win32.resolve(directory).toLowerCase()
  const name = createHash('sha256').update(path).digest('hex').slice(0, 32)
  return { path: `\\\\.\\pipe\\millrace-${name}`, remove: () => {} }
}

/** Makes a socket readable and writable for this user alone. Others may not write to a pipe of Windows, so they cannot ask. */
export function makePrivate(path: string): void {
  if (process.platform !== 'win32') chmodSync(path, 0o600)
}

/** Whether a process may listen at the directory of a run; false if there is certainly none. */
export function mayListen(directory: string): boolean {
  if (process.platform === 'win32') return true
  try {
    return lstatSync(join(directory, SOCKET), { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

/**
 * Returns the path at which a client reaches the socket in a run directory, and a function that removes what was made
 * for that; undefined if there is no socket. A run directory may come from a stranger: a link that `makeSocketPlace` did
 * not make, and a socket of another user, are none.
 */
export function findSocket(directory: string, platform = process.platform): SocketPlace | undefined {
  if (platform === 'win32') return pipePlace(directory)
  const path = join(directory, SOCKET)
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found?.isSymbolicLink()) {
    const target = readlinkSync(path)
    const isOurs = OUTSIDE.test(target) && isOwn(lstatSync(target, { throwIfNoEntry: false }))
    return isOurs ? { path: target, remove: () => {} } : undefined
  }
  if (!isOwn(found)) return undefined
  const short = shortest(path)
  if (fits(short)) return { path: short, remove: () => {} }
  // Seen from another working directory, the path may be too long although the run could use it.
  const folder = mkdtempSync(join(tmpdir(), 'millrace-live-'))
  const link = join(folder, SOCKET)
  symlinkSync(path, link)
  return { path: link, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Where `makeSocketPlace` puts a socket that does not fit into its directory. */
const OUTSIDE = /^\/.*\/millrace-live-[^/]+\/live\.sock$/s

/** Whether this is a socket of this user. The administrator may look at the runs of all users. */
function isOwn(found: Stats | undefined): boolean {
  const user = process.getuid?.()
  return found?.isSocket() === true && (!user || found.uid === user)
}

/** The path from the working directory, if that is shorter. */
function shortest(path: string): string {
  const other = relative(process.cwd(), path)
  return other.length < path.length ? other : path
}

function removeSocket(path: string): void {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found?.isSocket() || found?.isSymbolicLink()) unlinkSync(path)
  } catch {
    // The directory may be gone. A socket that stays does no harm: nobody listens.
  }
}
