import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** Watches files until one changes. */
export interface Watcher {
  /** Resolves to the first file that has changed, once nothing more has changed for a moment. */
  readonly changed: Promise<string>
  /** Ends the watching. */
  close(): void
}

/** An editor writes a file in several steps, in milliseconds. */
const QUIET = 100

/**
 * Watches files, also those that do not exist yet. Their folders are watched, not the files: an editor puts a new file in the place
 * of the old one, and a watcher of the old one would see nothing more. A change is a change of time, size or identity, so reading
 * a file is none.
 */
export function watchFiles(files: readonly string[]): Watcher {
  const byFolder = new Map<string, Map<string, string>>()
  for (const file of files.map((each) => resolve(each))) {
    const names = byFolder.get(dirname(file)) ?? new Map<string, string>()
    byFolder.set(dirname(file), names.set(basename(file), stampOf(file)))
  }
  const watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let first: string | undefined
  const changed = new Promise<string>((resolve) => {
    for (const [folder, names] of byFolder) {
      const look = (): void => {
        for (const [name, stamp] of names) if (stampOf(join(folder, name)) !== stamp) tell(join(folder, name))
      }
      const tell = (file: string): void => {
        first ??= file
        clearTimeout(timer)
        timer = setTimeout(() => resolve(first!), QUIET)
      }
      try {
        const watcher = watch(folder, (_, name) => {
          if (name === null || names.has(String(name))) look()
        })
        // The folder itself may go.
        watcher.on('error', () => watcher.close())
        watchers.push(watcher)
      } catch {
        // There is no such folder: nothing in it can change before it is made.
      }
      // What changed since the files were named.
      look()
    }
  })
  return {
    changed,
    close: () => {
      clearTimeout(timer)
      for (const watcher of watchers) watcher.close()
    },
  }
}

function stampOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file)
    return `${mtimeMs} ${size} ${ino}`
  } catch {
    return ''
  }
}
