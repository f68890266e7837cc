import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

/** Watches files until one changes. */
export interface Watcher {
  /** Resolves to the first file that has changed, once nothing more has changed for a moment. */
  readonly changed: Promise<string>
  /** Ends the watching. */
  close(): void
}

/** Times of watching, in milliseconds. */
export interface WatchTimes {
  /** An editor writes a file in several steps: a change counts once nothing has changed for so long. */
  readonly quiet: number
  /** A file that is written without a pause has changed, too, after this time. */
  readonly longest: number
  /** Between two looks into folders that cannot be watched, or are gone. */
  readonly look: number
}

const usual: WatchTimes = { quiet: 100, longest: 2000, look: 1000 }

/**
 * Watches files, also those that do not exist yet. Their folders are watched, not the files: an editor puts a new file in the place
 * of the old one, and a watcher of the old one would see nothing more. Where there is no folder, or the system has no watcher left,
 * the files are looked at once a second. A change is a change of time, size or identity, so reading
 * a file is none.
 */
export function watchFiles(files: readonly string[], { quiet, longest, look }: WatchTimes = usual): Watcher {
  const byFolder = new Map<string, Map<string, string>>()
  for (const file of files.map((each) => resolve(each))) {
    const names = byFolder.get(dirname(file)) ?? new Map<string, string>()
    byFolder.set(dirname(file), names.set(basename(file), stampOf(file)))
  }
  const watchers: FSWatcher[] = []
  let timer: NodeJS.Timeout | undefined
  let looking: NodeJS.Timeout | undefined
  let first: { readonly file: string; readonly at: number } | undefined
  const changed = new Promise<string>((resolve) => {
    const unwatched: (() => void)[] = []
    const lookOften = (lookInto: () => void): void => {
      unwatched.push(lookInto)
      looking ??= setInterval(() => {
        for (const each of unwatched) each()
      }, look)
    }
    for (const [folder, names] of byFolder) {
      const lookInto = (): void => {
        for (const [name, stamp] of names) if (stampOf(join(folder, name)) !== stamp) tell(join(folder, name))
      }
      const tell = (file: string): void => {
        first ??= { file, at: performance.now() }
        clearTimeout(timer)
        const left = first.at + longest - performance.now()
        timer = setTimeout(() => resolve(first!.file), Math.max(0, Math.min(quiet, left)))
      }
      try {
        const watcher = watch(folder, (_, name) => {
          // Of the folder itself, its own name is told.
          if (name === null || names.has(String(name)) || name === basename(folder)) lookInto()
        })
        watcher.on('error', () => {
          watcher.close()
          lookOften(lookInto)
        })
        watchers.push(watcher)
      } catch {
        lookOften(lookInto)
      }
      // What changed since the files were named.
      lookInto()
    }
  })
  return {
    changed,
    close: () => {
      clearTimeout(timer)
      clearInterval(looking)
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
