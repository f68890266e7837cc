import { fstatSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { attempt } from '../pipeline/files/files.js'
import { entryInside, namesInside, readInside, withFileInside } from '../pipeline/files/inside.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { arrowFile } from '../pipeline/wires/arrow-internals.js'

/** Files in which two equal runs may differ: times and the machine, notes of people, checkpoints, sockets, locks, and half-written files. */
const ignored = [
  /^run\.json$/,
  /^timings\.csv$/,
  /^notes\.json$/,
  /^live\.sock$/,
  /^checkpoint\//,
  /(^|[/.])lock$/,
  /(^|\/)lock\.[0-9a-f]{16}$/,
  /\.part$/,
]

/** A directory with more files or deeper folders is no run directory. */
const MOST = { files: 100_000, depth: 32 }

/**
 * Compares two run directories byte by byte; of Arrow files, the tables and their metadata, because version 0.1.0 wrote
 * the same tables with other bytes. Returns the names of the files that differ or that only one of them has, sorted.
 * `run.json`, `timings.csv`, `notes.json`, `live.sock`, `checkpoint/`, locks and temporary files are not compared. Links are not followed; links,
 * pipes and other special files differ from everything. Throws a PipelineError `DATA` if a directory or a file cannot be
 * read.
 */
export function differingFiles(a: string, b: string): string[] {
  const [first, second] = [comparedFiles(a), comparedFiles(b)]
  const names = new Set([...first, ...second])
  const isEqual = (name: string): boolean =>
    first.has(name) && second.has(name) && (isSame(a, b, name) || isSameTable(a, b, name))
  return [...names].filter((name) => !isEqual(name)).sort()
}

/**
 * The files of a run that an equal run has, too, as paths inside the directory, with `/`. Throws as `differingFiles`.
 */
export function comparedFiles(directory: string): Set<string> {
  const files: string[] = []
  const visit = (folder: string, depth: number): void => {
    for (const entry of attempt(
      'read the directory',
      join(directory, folder),
      () => namesInside(directory, folder),
      'DATA',
    )) {
      const name = folder === '' ? entry : `${folder}/${entry}`
      if (ignored.some((pattern) => pattern.test(name))) continue
      const status = attempt('read', join(directory, name), () => entryInside(directory, name), 'DATA')
      if (!status?.isDirectory()) files.push(name)
      else if (!ignored.some((pattern) => pattern.test(`${name}/`))) visit(name, depth + 1)
      if (files.length > MOST.files || depth > MOST.depth)
        throw new PipelineError('DATA', `${shortPath(directory)} has too many files or folders for a run directory`)
    }
  }
  visit('', 0)
  return new Set(files.sort())
}

const CHUNK = 1 << 20
/** The largest Arrow file whose table is compared, in bytes. */
const MAX_TABLE = 1 << 30

function isSame(a: string, b: string, name: string): boolean {
  if (![a, b].every((directory) => entryInside(directory, name)?.isFile())) return false
  return withFile(a, name, (x) =>
    withFile(b, name, (y) => fstatSync(x).size === fstatSync(y).size && isSameContent(x, y)),
  )
}

/** Whether two Arrow files hold the same table, metadata included. False for other files, and for damaged ones. */
function isSameTable(a: string, b: string, name: string): boolean {
  if (!name.endsWith('.arrow')) return false
  try {
    const [one, other] = [a, b].map((directory) => arrowFile(tableFromFile(readInside(directory, name, MAX_TABLE))))
    return Buffer.compare(one!, other!) === 0
  } catch {
    return false
  }
}

function isSameContent(a: number, b: number): boolean {
  const [one, other] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)]
  for (;;) {
    const count = fill(a, one)
    if (fill(b, other) !== count || one.compare(other, 0, count, 0, count) !== 0) return false
    if (count < CHUNK) return true
  }
}

function withFile<T>(directory: string, name: string, use: (descriptor: number) => T): T {
  return attempt('read', join(directory, name), () => withFileInside(directory, name, use), 'DATA')
}

/** Reads until the buffer is full or the file ends. Returns the number of bytes. */
function fill(descriptor: number, buffer: Buffer): number {
  let length = 0
  for (let count = -1; count !== 0 && length < buffer.length; length += count)
    count = readSync(descriptor, buffer, length, buffer.length - length, null)
  return length
}
