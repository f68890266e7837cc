import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { readRegularFile } from './regular-file.js'

/** The process that has locked a directory. The lock file contains it as JSON. */
interface Owner {
  /** The process id. */
  readonly pid: number
  /** The name of the machine. */
  readonly host: string
  /** The start time of the process, in ticks since the machine started. Systems use process ids again. */
  readonly began: string
}

/** The lock is a file that names its owner, because Node has no `flock`. */
const NAME = 'lock'
/** A larger file is not a lock. */
const MAX_BYTES = 4096

/**
 * Locks a directory, so that only this process writes in it. Returns a function that removes the lock. Replaces the
 * lock of a process that has ended.
 *
 * Throws a PipelineError `ARGUMENTS` if another process owns the lock, or might own it because it runs on another
 * machine. Throws a PipelineError `WRITE` if the lock cannot be written.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, NAME)
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), began: beganAt(process.pid) } satisfies Owner)
  for (let tries = 0; tries < 5; tries++) {
    try {
      writeLock(path, mine)
      return () => release(path, mine)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new PipelineError('WRITE', fileProblem('write', shortPath(path), error), { cause: error })
    }
    const text = contentOf(path)
    const owner = ownerOf(text)
    if (owner && isAlive(owner)) throw lockedError(directory, path, owner)
    clear(path, text)
  }
  throw new PipelineError('ARGUMENTS', `other processes want to write in ${shortPath(directory)}, too`)
}

/** Creates the lock file. Throws if it exists. Removes it again if it cannot be written completely. */
function writeLock(path: string, text: string): void {
  const file = openSync(path, 'wx')
  try {
    writeSync(file, text)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
}

/** The text of a lock file; empty if it cannot be read. Waits up to 0.1 s for an owner that is about to write it. */
function contentOf(path: string): string {
  for (let tries = 0; ; tries++) {
    try {
      const text = String(readRegularFile(path, MAX_BYTES))
      if (text !== '' || tries === 10) return text
    } catch {
      return ''
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}

/** Removes the lock of a process that has ended, but not a new lock that has replaced it in the meantime. */
function clear(path: string, text: string): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
    if (contentOf(aside) === text) rmSync(aside)
    else renameSync(aside, path)
  } catch {
    // Another process was faster.
  }
}

/** Removes the lock of this process. By now the directory may be gone, or the lock may belong to another process. */
function release(path: string, mine: string): void {
  if (contentOf(path) === mine) rmSync(path, { force: true })
}

function lockedError(directory: string, path: string, { pid, host }: Owner): PipelineError {
  const where = host === hostname() ? '' : ` on ${host}`
  const help = host === hostname() ? 'wait for its end' : `wait for its end, or remove ${shortPath(path)} if it is gone`
  return new PipelineError('ARGUMENTS', `process ${pid}${where} is writing in ${shortPath(directory)}; ${help}`)
}

/** The owner that a lock file names, or undefined if it names none. */
function ownerOf(text: string): Owner | undefined {
  try {
    const { pid, host, began } = JSON.parse(text) as Partial<Owner>
    if (typeof pid === 'number' && typeof host === 'string' && typeof began === 'string') return { pid, host, began }
  } catch {
    // The owner was killed before it had written the file.
  }
  return undefined
}

/** Whether the owner still runs. True for every process on another machine, because that is not known. */
function isAlive({ pid, host, began }: Owner): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return beganAt(pid) === began
}

/** The start time of a process, in ticks since the machine started. Empty if the system has no `/proc`. */
function beganAt(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
