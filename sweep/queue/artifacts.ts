import { existsSync, lstatSync, readdirSync, renameSync, rmSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { isDone } from '../../pipeline/run/past-record.js'
import { pointDirectory } from '../directory.js'
import { checkFolder } from './folders.js'

/**
 * The files of one attempt at a point, in the folder that the machines of a sweep share. `points/KEY` is the run
 * directory of a point that ended; it appears whole or not at all. A run that is going on is in `working/`, under a
 * name of its own, so that two workers never write to one place. `unfinished/KEY` is the run of a worker that was told
 * to stop. What lies in these places and is no run is never moved, replaced or removed.
 */
export class Artifacts {
  private readonly folder: string
  private readonly key: string
  /** The run directory while the run goes on. */
  readonly working: string

  /**
   * @param folder that the machines share
   * @param key of the point
   * @param attempt tells the attempts at one point apart
   */
  constructor(folder: string, key: string, attempt: string) {
    this.folder = folder
    this.key = key
    this.working = join(folder, 'working', `${key}.${attempt}`)
  }

  /** The run directory once the run has ended. */
  get published(): string {
    return pointDirectory(this.folder, { key: this.key })
  }

  /**
   * Prepares for the run. Takes over the unfinished run of another worker, if there is one. Throws a PipelineError
   * `WRITE` if the run could not be published.
   */
  begin(): void {
    for (const name of ['points', 'working', 'unfinished']) checkFolder(join(this.folder, name))
    if (isThere(this.published) && !isRun(this.published)) throw notARun(this.published)
    attempt('make the directory', this.working, () => makeFolder(join(this.folder, 'working')))
    if (isUnfinished(this.unfinished)) renameIfPossible(this.unfinished, this.working)
  }

  /**
   * Moves the run to `published`. A finished run that is there already stays: it has the same bytes. Throws a
   * PipelineError `WRITE` if there is something that is no run.
   */
  publish(): void {
    const { published, working } = this
    if (!existsSync(working)) return
    attempt('make the directory of', published, () => makeFolder(join(this.folder, 'points')))
    if (!renameIfPossible(working, published)) {
      if (!isRun(published)) throw notARun(published)
      if (!isDone(published)) this.replace()
    }
    this.removeOthers()
  }

  /** Leaves the run for another worker to resume. */
  handBack(): void {
    if (existsSync(join(this.working, 'checkpoint'))) {
      makeFolder(join(this.folder, 'unfinished'))
      renameIfPossible(this.working, this.unfinished)
    }
    this.discard()
  }

  /** Removes the run from `working`. */
  discard(): void {
    rmSync(this.working, { recursive: true, force: true })
  }

  private get unfinished(): string {
    return join(this.folder, 'unfinished', this.key)
  }

  /** Replaces a failed run. */
  private replace(): void {
    const old = `${this.working}.old`
    attempt('replace', this.published, () => {
      renameSync(this.published, old)
      renameSync(this.working, this.published)
    })
    rmSync(old, { recursive: true, force: true })
  }

  /**
   * Removes the files of all attempts at the point. An attempt that is still running finds out that it has lost the
   * point, and its result does not count.
   */
  private removeOthers(): void {
    const folder = join(this.folder, 'working')
    const attempts = readdirSync(folder).filter((name) => name.startsWith(`${this.key}.`))
    for (const name of attempts) rmSync(join(folder, name), { recursive: true, force: true })
    if (isUnfinished(this.unfinished)) rmSync(this.unfinished, { recursive: true, force: true })
  }
}

/** Whether a path is the directory of a run that has a record. A link to one is not. */
export function isRun(path: string): boolean {
  return isRealFolder(path) && ['run.json', 'pipeline.yaml'].every((name) => isRealFile(join(path, name)))
}

/** Whether a path is the directory of a run that can be resumed. */
function isUnfinished(path: string): boolean {
  return isRealFolder(path) && isRealFile(join(path, 'pipeline.yaml')) && isRealFolder(join(path, 'checkpoint'))
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

function isRealFolder(path: string): boolean {
  return statusOf(path)?.isDirectory() === true
}

function isRealFile(path: string): boolean {
  return statusOf(path)?.isFile() === true
}

/** The status of a path, links not followed. Undefined if it leads to nothing, for example because it is too long. */
function statusOf(path: string): Stats | undefined {
  try {
    return lstatSync(path)
  } catch {
    return undefined
  }
}

function notARun(path: string): PipelineError {
  return new PipelineError('WRITE', `${shortPath(path)} is there already and is not a run: move it away`)
}

/** Renames a directory. Returns false if it does not exist, or if something else is in the way. */
function renameIfPossible(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(code)) return false
    throw error
  }
}
