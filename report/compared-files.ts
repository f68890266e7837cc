import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileProblem, PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { tableFromFile } from '../pipeline/formats/ipc.js'
import { arrowFile } from '../pipeline/wires/arrow-internals.js'

/** Files in which two equal runs may differ: times and the machine, checkpoints, locks, and half-written files. */
const ignored = [
  /^run\.json$/,
  /^timings\.csv$/,
  /^checkpoint\//,
  /(^|[/.])lock$/,
  /(^|\/)lock\.[0-9a-f]{16}$/,
  /\.part$/,
]

/**
 * Compares two run directories byte by byte; of Arrow files, the tables and their metadata, because version 0.1.0 wrote
 * the same tables with other bytes. Returns the names of the files that differ or that only one of them has, sorted.
 * `run.json`, `timings.csv`, `checkpoint/`, locks and temporary files are not compared. Throws a PipelineError
 * `DATA` if a directory or a file cannot be read.
 */
export function differingFiles(a: string, b: string): string[] {
  const [first, second] = [comparedFiles(a), comparedFiles(b)]
  const names = new Set([...first, ...second])
  const isEqual = (name: string): boolean => {
    const [one, other] = [join(a, name), join(b, name)]
    return first.has(name) && second.has(name) && (isSame(one, other) || isSameTable(one, other))
  }
  return [...names].filter((name) => !isEqual(name)).sort()
}

/**
 * The files of a run that an equal run has, too, as paths inside the directory, with `/`. Throws as `differingFiles`.
 */
export function comparedFiles(directory: string): Set<string> {
  const entries = readOrThrow('the directory', directory, () =>
    readdirSync(directory, { recursive: true, withFileTypes: true }),
  )
  return new Set(
    entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'))
      .filter((name) => !ignored.some((pattern) => pattern.test(name)))
      .sort(),
  )
}

const CHUNK = 1 << 20
/** The largest Arrow file whose table is compared, in bytes. */
const MAX_TABLE = 1 << 30

function isSame(a: string, b: string): boolean {
  const [one, other] = [sizeOf(a), sizeOf(b)]
  if (one === undefined || one !== other) return false
  return readOrThrow('', a, () => withFile(a, (x) => readOrThrow('', b, () => withFile(b, (y) => isSameContent(x, y)))))
}

/** Whether two Arrow files hold the same table, metadata included. False for other files, and for damaged ones. */
function isSameTable(a: string, b: string): boolean {
  if (!a.endsWith('.arrow')) return false
  try {
    const [one, other] = [a, b].map((path) => arrowFile(tableFromFile(readRegularFile(path, MAX_TABLE))))
    return Buffer.compare(one!, other!) === 0
  } catch {
    return false
  }
}

/** The size of a file. Returns undefined for a pipe or another special file, which cannot be read to its end. */
function sizeOf(path: string): number | undefined {
  const status = readOrThrow('', path, () => statSync(path))
  return status.isFile() ? status.size : undefined
}

function isSameContent(a: number, b: number): boolean {
  const [one, other] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)]
  for (;;) {
    const count = fill(a, one)
    if (fill(b, other) !== count || one.compare(other, 0, count, 0, count) !== 0) return false
    if (count < CHUNK) return true
  }
}

function withFile<T>(path: string, use: (descriptor: number) => T): T {
  const descriptor = openSync(path, 'r')
  try {
    return use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Reads until the buffer is full or the file ends. Returns the number of bytes. */
function fill(descriptor: number, buffer: Buffer): number {
  let length = 0
  for (let count = -1; count !== 0 && length < buffer.length; length += count)
    count = readSync(descriptor, buffer, length, buffer.length - length, null)
  return length
}

/** Runs an operation. An error becomes a PipelineError `DATA` that names the file. */
function readOrThrow<T>(what: string, path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('DATA', fileProblem(`read${what && ` ${what}`}`, shortPath(path), error), { cause: error })
  }
}
