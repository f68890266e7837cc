import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, lstatSync, openSync, readdirSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileProblem, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { attempt } from './files.js'
import { formatOwner, type Owner, ownerIn, stateOf, thisProcess } from './lock-owner.js'
import { readRegularFile } from './regular-file.js'

/*
 * Node has no `flock`, so the lock of a directory is a file `lock` that names its owner. A lock whose owner has ended
 * may be replaced, and no system call replaces a file only if it has a certain content. So a process first creates a
 * file of its own, `lock.ID`, and looks for those of others. Of two processes, the one that creates its file later sees
 * the other's. Only a process that sees no other looks at `lock`, and renames its file to `lock` if that is free. It
 * looks at `lock` last: the file of another process that was renamed in the meantime is found there.
 *
 * This holds however slow a process is between two steps, because a process removes only its own file and those of
 * processes that have ended, and no two processes have files of one name.
 */

const NAME = 'lock'
/** The lock of the notes of a run, which are written while the run has the other lock. */
const NOTES = 'notes.lock'
/** The files of processes that are about to take a lock: its name, and theirs. */
const CONTENDER = /^(lock|notes\.lock)\.[0-9a-f]{16}$/
/** A larger file is not a lock. */
const MAX_BYTES = 4096
/** For so long, in milliseconds, a process waits for others that want the same lock. */
const PATIENCE = 2000
/** For so long it waits for a lock that is held for a moment only. */
const LONG_PATIENCE = 20_000
/** Milliseconds between two looks. */
const INTERVAL = 10

/** The locks that this process holds. */
const held = new Set<() => void>()

/** Whether a name in a directory is that of a lock, or of a file that becomes one. */
export function isLockFile(name: string): boolean {
  return name === NAME || name === NOTES || CONTENDER.test(name)
}

/**
 * Locks a directory, so that only this process writes in it. Returns a function that removes the lock; the end of the
 * process does that, too, unless it is killed. Replaces the lock of a process that has ended. If it throws, it has
 * changed nothing.
 *
 * Throws a PipelineError `ARGUMENTS` if another process owns the lock, or might own it because it runs on another
 * machine or in another container. Throws a PipelineError `WRITE` if the lock cannot be written.
 */
export function lockDirectory(directory: string): () => void {
  const giveUp = performance.now() + PATIENCE
  for (;;) {
    // Who has the lock keeps it; others that want it decide among themselves.
    const release = tried(directory, NAME, ({ path }) => path === join(directory, NAME) || performance.now() > giveUp)
    if (release) return release
    pause()
  }
}

/**
 * Locks the notes of a run directory, as `lockDirectory` does, but waits up to 20 s for a process that has the lock: it is soon
 * done.
 */
export async function lockNotes(directory: string): Promise<() => void> {
  const giveUp = performance.now() + LONG_PATIENCE
  for (;;) {
    const release = tried(directory, NOTES, () => performance.now() > giveUp)
    if (release) return release
    await setTimeout(INTERVAL)
  }
}

/** Makes one attempt to lock. Returns undefined if another is worth while; otherwise throws, as `lockDirectory` does. */
function tried(directory: string, name: string, isInVain: (obstacle: Obstacle) => boolean): (() => void) | undefined {
  const obstacle = obstacleIn(directory, name)
  if (obstacle) {
    if (obstacle.isUnknown || isInVain(obstacle)) throw lockedError(directory, obstacle)
    return undefined
  }
  const text = take(directory, name)
  return text === undefined ? undefined : releaser(join(directory, name), text)
}

/** A lock file that keeps this process from taking the lock. */
interface Obstacle {
  readonly path: string
  readonly owner: Owner
  /** True if it cannot be told whether the owner runs. */
  readonly isUnknown: boolean
}

/**
 * Makes one attempt to take the lock. Returns the text of the lock file, or undefined if another process was in the way
 * or has removed the file of this process, which it took for that of a process killed while writing it.
 */
function take(directory: string, name: string): string | undefined {
  const id = randomBytes(8).toString('hex')
  const own = join(directory, `${name}.${id}`)
  const text = JSON.stringify(thisProcess(id))
  const giveUp = performance.now() + PATIENCE
  try {
    writeNew(own, text)
    for (;;) {
      const obstacle = obstacleIn(directory, name, own)
      if (!obstacle) break
      // Of several that wait for each other, the first by name stays.
      const isFirst = obstacle.path > own
      if (!isFirst || obstacle.isUnknown || performance.now() > giveUp) {
        unlink(own)
        return undefined
      }
      pause()
    }
    renameSync(own, join(directory, name))
    return text
  } catch (error) {
    unlink(own)
    if (error instanceof PipelineError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && existsSync(directory)) return undefined
    throw new PipelineError('WRITE', fileProblem('write', shortPath(join(directory, name)), error), { cause: error })
  }
}

/**
 * Returns a lock file of another process that runs, or may run; undefined if there is none. Removes the files of
 * contenders that have ended.
 *
 * @param own the file of this process. Only with it, a file that is not complete counts as that of a process killed
 *   while writing it, and is removed: if its process still runs, it finds `own` afterwards.
 */
function obstacleIn(directory: string, lock: string, own?: string): Obstacle | undefined {
  const contenders = attempt('read the directory', directory, () => readdirSync(directory)).filter(
    (name) => CONTENDER.exec(name)?.[1] === lock,
  )
  if (own !== undefined && !contenders.some((name) => join(directory, name) === own))
    throw Object.assign(new Error('the file was removed'), { code: 'ENOENT' })
  // In this order, `lock` comes last; see above.
  for (const path of [...contenders.sort(), lock].map((name) => join(directory, name))) {
    if (path === own) continue
    const text = contentOf(path)
    const owner = ownerIn(text)
    if (!owner && isForeign(path, text))
      throw new PipelineError('ARGUMENTS', `${shortPath(path)} lies there and is no lock of Millrace; move it away`)
    const state = owner && stateOf(owner)
    if (owner && state !== 'ended') return { path, owner, isUnknown: state === 'unknown' }
    const isContender = path !== join(directory, lock)
    if (isContender && (owner || own !== undefined)) unlink(path)
  }
  return undefined
}

/**
 * Whether something that names no owner is no lock of Millrace, so that it stays: a folder, a pipe, a link, a large file, or
 * other text than the beginning of a lock that a process was killed while writing.
 */
function isForeign(path: string, text: string): boolean {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (!status) return false
  if (!status.isFile() || status.size > MAX_BYTES) return true
  if (text === '') return status.size > 0
  return !/^\{("(i(d(".*)?)?|p(i(d(".*)?)?)?)?)?$/s.test(text) || isJson(text)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Creates a file. Throws if it exists. Removes it again if it cannot be written completely. */
function writeNew(path: string, text: string): void {
  const file = openSync(path, 'wx')
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
}

/** The text of a lock file; empty if it cannot be read. Waits up to 0.1 s for an owner that is about to write it. */
function contentOf(path: string): string {
  for (let tries = 0; ; tries++) {
    try {
      const text = String(readRegularFile(path, MAX_BYTES))
      if (ownerIn(text) || tries === 10) return text
    } catch {
      return ''
    }
    pause()
  }
}

/** Waits without a turn of the event loop, for callers that are synchronous. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, INTERVAL)
}

/** Returns the function that removes a lock. By then the directory may be gone, or a user may have removed the lock. */
function releaser(path: string, text: string): () => void {
  const release = (): void => {
    if (held.delete(release) && contentOf(path) === text) unlink(path)
    if (held.size === 0) process.off('exit', releaseAll)
  }
  if (held.size === 0) process.on('exit', releaseAll)
  held.add(release)
  return release
}

function releaseAll(): void {
  for (const release of held) release()
}

/** Removes a file. A file that cannot be removed does no harm: its owner has ended, or is about to. */
function unlink(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // It may be gone already.
  }
}

function lockedError(directory: string, { path, owner, isUnknown }: Obstacle): PipelineError {
  const help = isUnknown ? `wait for its end, or remove ${shortPath(path)} if it is gone` : 'wait for its end'
  return new PipelineError('ARGUMENTS', `${formatOwner(owner)} is writing in ${shortPath(directory)}; ${help}`)
}
