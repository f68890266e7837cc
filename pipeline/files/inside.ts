import { closeSync, constants, fstatSync, lstatSync, opendirSync, readSync, type Stats } from 'node:fs'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import { openRegular, readWhole, withRegularFile } from './regular-file.js'

/*
 * Reading in a directory that may come from a stranger: run directories and directories of sweeps. The directory itself
 * may be reached through symbolic links, which are the user's own. Below it no link is followed, because it may lead to
 * a private file of whoever reads the directory, and only regular files are opened.
 */

/** More entries of one folder are not listed: a run has far fewer files. */
const MAX_ENTRIES = 100_000

/** Bytes that are read at a time: of a large file, and of one whose size is not known. */
const [CHUNK, SMALLEST] = [1 << 20, 1 << 12]

/** A longer line, in characters, is damaged. */
const MAX_LINE = 1 << 20

/**
 * The status of an entry of a directory, or undefined if there is none. A symbolic link is not followed. Throws an Error
 * if a folder on the way is a symbolic link, or if the name leads out of the directory.
 */
export function entryInside(root: string, name: string): Stats | undefined {
  const path = relative(root, resolve(root, name))
  const parts = path.split(sep)
  if (parts[0] === '..' || isAbsolute(path)) throw new Error(`it lies outside of ${root}`)
  let at = root
  let status: Stats | undefined
  for (const [i, part] of parts.entries()) {
    at = join(at, part)
    status = lstatSync(at, { throwIfNoEntry: false })
    if (i === parts.length - 1 || status === undefined) return status
    if (status.isSymbolicLink()) throw new Error(`${relative(root, at)} is a symbolic link, which is not followed`)
  }
  return status
}

/** Throws an Error if an entry is a symbolic link. */
function checkNoLink(status: Stats | undefined): void {
  if (status?.isSymbolicLink()) throw new Error('it is a symbolic link, which is not followed')
}

/** Whether a directory has an entry of any kind with this name, dangling links and what may not be read included. */
export function hasInside(root: string, name: string): boolean {
  try {
    return entryInside(root, name) !== undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOTDIR'
  }
}

/**
 * Opens a regular file of a directory, calls `use` with its descriptor, and closes it. Throws an Error if there is no
 * such file, if it is another kind of file, or if the way to it has a symbolic link.
 */
export function withFileInside<T>(root: string, name: string, use: (descriptor: number) => T): T {
  checkNoLink(entryInside(root, name))
  // The entry may have become a link since it was looked at.
  return withRegularFile(join(root, name), use, constants.O_NOFOLLOW ?? 0)
}

/** Reads a regular file of a directory, of at most `limit` bytes. Throws an Error as `withFileInside` does. */
export function readInside(root: string, name: string, limit: number): Buffer {
  return withFileInside(root, name, (file) => readWhole(file, limit, join(root, name)))
}

/**
 * The names of the entries of a folder of a directory, sorted. A folder that does not exist has none. Throws an Error if
 * it is no folder, if the way to it has a symbolic link, or if it has too many entries.
 *
 * @param folder relative to the directory; default: the directory itself
 */
export function namesInside(root: string, folder = ''): string[] {
  if (folder !== '') {
    const status = entryInside(root, folder)
    if (status === undefined) return []
    checkNoLink(status)
  }
  const names: string[] = []
  const open = opendirSync(join(root, folder))
  try {
    for (let entry = open.readSync(); entry; entry = open.readSync()) {
      if (names.push(entry.name) > MAX_ENTRIES) throw new Error(`it has more than ${MAX_ENTRIES} entries`)
    }
  } finally {
    open.closeSync()
  }
  return names.sort()
}

/** A line of a text file. */
export interface Line {
  /** The text, without the line break. */
  readonly text: string
  /** False for a last line that no line break ends. */
  readonly isEnded: boolean
}

/**
 * The lines of an open file, one after the other, in bounded memory. Lines end with `\n` or `\r\n`. Throws an Error if a
 * line is longer than a million characters.
 *
 * @param from the byte at which the first line begins
 */
export function* linesOf(file: number, from = 0): Generator<Line> {
  const decoder = new StringDecoder('utf8')
  // Large buffers for small files would keep the garbage collector busy where many runs are read.
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(SMALLEST, fstatSync(file).size - from)))
  let rest = ''
  for (let at = from; ; ) {
    const count = readSync(file, chunk, 0, chunk.length, at)
    at += count
    const lines = (rest + (count === 0 ? decoder.end() : decoder.write(chunk.subarray(0, count)))).split('\n')
    rest = lines.pop()!
    for (const line of lines) yield { text: withoutReturn(checked(line)), isEnded: true }
    if (count === 0) break
    checked(rest)
  }
  if (rest !== '') yield { text: rest, isEnded: false }
}

/** The lines of a regular file of a directory, which is open until the last one. Throws an Error as `withFileInside` does. */
export function* linesInside(root: string, name: string): Generator<Line> {
  checkNoLink(entryInside(root, name))
  const [file] = openRegular(join(root, name), constants.O_NOFOLLOW ?? 0)
  try {
    yield* linesOf(file)
  } finally {
    closeSync(file)
  }
}

function checked(line: string): string {
  if (line.length > MAX_LINE) throw new Error(`a line has more than ${MAX_LINE} characters`)
  return line
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
