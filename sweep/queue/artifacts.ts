import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { isDone } from '../../pipeline/run/resume.js'
import { pointDirectory } from '../directory.js'

/**
 * The files of one attempt at a point, in the folder that the machines of a sweep share. `points/KEY` is the run
 * directory of a point that ended; it appears whole or not at all. A run that is going on is in `working/`, under a
 * name of its own, so that two workers never write to one place. `unfinished/KEY` is the run of a worker that was told
 * to stop.
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

  /** Prepares for the run. Takes over the unfinished run of another worker, if there is one. */
  begin(): void {
    attempt('make the directory', this.working, () => makeFolder(join(this.folder, 'working')))
    renameIfPossible(this.unfinished, this.working)
  }

  /** Moves the run to `published`. A finished run that is there already stays: it has the same bytes. */
  publish(): void {
    const { published, working } = this
    if (!existsSync(working)) return
    attempt('make the directory of', published, () => makeFolder(join(this.folder, 'points')))
    if (!renameIfPossible(working, published) && !(existsSync(join(published, 'run.json')) && isDone(published))) {
      rmSync(published, { recursive: true, force: true })
      attempt('make the directory', published, () => renameSync(working, published))
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

  /**
   * Removes the files of all attempts at the point. An attempt that is still running finds out that it has lost the
   * point, and its result does not count.
   */
  private removeOthers(): void {
    const folder = join(this.folder, 'working')
    const attempts = readdirSync(folder).filter((name) => name.startsWith(`${this.key}.`))
    for (const path of [...attempts.map((name) => join(folder, name)), this.unfinished])
      rmSync(path, { recursive: true, force: true })
  }
}

/** Renames a directory. Returns false if it does not exist, or if there is another in the way. */
function renameIfPossible(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
