import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { readRegularFile } from './regular-file.js'

/** The process that works in a directory. */
interface Holder {
  readonly pid: number
  readonly host: string
  /** When the process began, as the system counts; numbers of processes are used again. */
  readonly began: string
}

/** Files that processes hold open are no help: Node has no `flock`. A file that names its holder is. */
const NAME = 'lock'
/** What is larger names no holder. */
const MAX_BYTES = 4096

/**
 * Makes this process the only one that writes in `directory`; gives back what ends that. A lock whose process has ended
 * counts for nothing. Throws a PipelineError `ARGUMENTS` where another process has it, or may have it.
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, NAME)
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), began: beganAt(process.pid) } satisfies Holder)
  for (let tries = 0; tries < 5; tries++) {
    try {
      writeLock(path, mine)
      return () => release(path, mine)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new PipelineError('WRITE', fileProblem('write', shortPath(path), error), { cause: error })
    }
    const text = contentOf(path)
    const holder = holderOf(text)
    if (holder && isAlive(holder)) throw locked(directory, path, holder)
    clear(path, text)
  }
  throw new PipelineError('ARGUMENTS', `other processes want to write in ${shortPath(directory)}, too`)
}

/** One that cannot be written to its end is none. */
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

/** The text of a lock. Its holder may be about to write it. */
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

/** Removes the lock of a process that has ended, but not one that took its place meanwhile. */
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

/** The directory may be gone, or another's by now. */
function release(path: string, mine: string): void {
  if (contentOf(path) === mine) rmSync(path, { force: true })
}

function locked(directory: string, path: string, { pid, host }: Holder): PipelineError {
  const where = host === hostname() ? '' : ` on ${host}`
  const help = host === hostname() ? 'wait for its end' : `wait for its end, or remove ${shortPath(path)} if it is gone`
  return new PipelineError('ARGUMENTS', `process ${pid}${where} is writing in ${shortPath(directory)}; ${help}`)
}

/** Who holds a lock; undefined where it does not say. */
function holderOf(text: string): Holder | undefined {
  try {
    const { pid, host, began } = JSON.parse(text) as Partial<Holder>
    if (typeof pid === 'number' && typeof host === 'string' && typeof began === 'string') return { pid, host, began }
  } catch {
    // Its process was killed before it could.
  }
  return undefined
}

function isAlive({ pid, host, began }: Holder): boolean {
  if (host !== hostname()) return true
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  return beganAt(pid) === began
}

/** When a process began, in ticks since the machine did; empty where the system does not tell. */
function beganAt(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
