import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { isDone } from '../../pipeline/run/resume.js'
import { pointDirectory } from '../directory.js'

/**
 * The folder that the machines of a sweep share. `points/KEY` is the run directory of each point that ended, and appears
 * there whole or not at all. Runs under way are in `working/`, each with a name of its own: nobody writes where another
 * may be writing still. `unfinished/KEY` is what a worker left behind that was told to stop.
 */
export class Artifacts {
  private readonly folder: string
  private readonly key: string
  /** Where the run is made. */
  readonly working: string

  /** @param holder tells the attempts at one point apart */
  constructor(folder: string, key: string, holder: string) {
    this.folder = folder
    this.key = key
    this.working = join(folder, 'working', `${key}.${holder}`)
  }

  get published(): string {
    return pointDirectory(this.folder, { key: this.key })
  }

  /** Makes room for the run, with what another worker left unfinished, if anything. */
  begin(): void {
    attempt('make the directory', this.working, () => makeFolder(join(this.folder, 'working')))
    moved(this.unfinished, this.working)
  }

  /** Puts the run where it belongs. A finished run that lies there stays: it has the same bytes. */
  publish(): void {
    const { published, working } = this
    if (!existsSync(working)) return
    attempt('make the directory of', published, () => makeFolder(join(this.folder, 'points')))
    if (!moved(working, published) && !(existsSync(join(published, 'run.json')) && isDone(published))) {
      rmSync(published, { recursive: true, force: true })
      attempt('make the directory', published, () => renameSync(working, published))
    }
    this.clear()
  }

  /** Leaves the run for another worker to go on with. */
  handBack(): void {
    if (existsSync(join(this.working, 'checkpoint'))) {
      makeFolder(join(this.folder, 'unfinished'))
      moved(this.working, this.unfinished)
    }
    this.discard()
  }

  discard(): void {
    rmSync(this.working, { recursive: true, force: true })
  }

  private get unfinished(): string {
    return join(this.folder, 'unfinished', this.key)
  }

  /** Removes what other attempts at the point have left. One that is still being made finds out, and its result counts for nothing. */
  private clear(): void {
    const folder = join(this.folder, 'working')
    const left = readdirSync(folder).filter((name) => name.startsWith(`${this.key}.`))
    for (const path of [...left.map((name) => join(folder, name)), this.unfinished])
      rmSync(path, { recursive: true, force: true })
  }
}

/** Renames a directory; false where there is none, or where another lies in the way. */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}
