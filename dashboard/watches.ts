import { type FSWatcher, watch } from 'node:fs'

/** How long to wait after a change for those that come with it, in milliseconds. */
const SETTLING = 30

/**
 * Tells of changes in folders, as soon as the system does. It may miss some, on network drives all: whoever needs to know
 * looks from time to time, too.
 */
export class Watches {
  private readonly folders = new Map<string, FSWatcher>()
  private timer: NodeJS.Timeout | undefined
  private readonly tell: () => void

  /** @param tell is called a moment after something changed in a folder */
  constructor(tell: () => void) {
    this.tell = tell
  }

  /** Watches these folders and no others. Those that cannot be watched are left out. */
  set(folders: Iterable<string>): void {
    const wanted = new Set(folders)
    for (const folder of this.folders.keys()) if (!wanted.has(folder)) this.drop(folder)
    for (const folder of wanted) if (!this.folders.has(folder)) this.add(folder)
  }

  /** Watches nothing any more. */
  close(): void {
    this.set([])
    clearTimeout(this.timer)
  }

  private add(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => this.note())
      watcher.on('error', () => this.drop(folder))
      this.folders.set(folder, watcher)
    } catch {
      // It is not there yet, or the system has no more watches.
    }
  }

  private drop(folder: string): void {
    this.folders.get(folder)?.close()
    this.folders.delete(folder)
  }

  private note(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined
      this.tell()
    }, SETTLING)
  }
}
