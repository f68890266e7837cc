/** A file that grows. */
interface Growing {
  /** Bytes that have been written. */
  size: number
  /** Resolves when it has grown, or is whole. */
  changed: Promise<void>
  /** Why it will never be whole, if so. */
  failure?: unknown
}

/** The files that this process writes while it reads them, by their path. */
const files = new Map<string, Growing>()

/** What is told about a file that is being written. */
export interface GrowingFile {
  /** So many bytes more are in it. */
  grew(bytes: number): void
  /** It is whole; or will never be, because of `failure`. */
  end(failure?: unknown): void
  /** It is removed: nobody will read it any more. */
  removed(): void
}

/** Tells that a file is being written, so that whoever reads it waits at its end (`hasGrown`). */
export function growingFile(path: string): GrowingFile {
  let wake = (): void => {}
  const change = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })
  const file: Growing = { size: 0, changed: change() }
  files.set(path, file)
  const tell = (): void => {
    const waking = wake
    file.changed = change()
    waking()
  }
  return {
    grew: (bytes) => {
      file.size += bytes
      tell()
    },
    end: (failure) => {
      // A whole file is one as any other.
      if (failure === undefined) files.delete(path)
      else file.failure = failure
      tell()
    },
    removed: () => {
      files.delete(path)
    },
  }
}

/**
 * Waits until a file has more than `size` bytes. Returns false if nothing more will come; at once, if nobody writes it. Rejects
 * if it cannot be written, or when the signal aborts.
 */
export async function hasGrown(path: string, size: number, signal: AbortSignal): Promise<boolean> {
  const file = files.get(path)
  if (!file) return false
  if (file.size > size) return true
  signal.throwIfAborted()
  if (file.failure === undefined) await changedOrAborted(file, signal)
  signal.throwIfAborted()
  if (file.failure !== undefined) throw file.failure
  return true
}

/** Leaves no listener behind: a file may grow thousands of times. */
function changedOrAborted({ changed }: Growing, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    changed.then(done)
  })
}
