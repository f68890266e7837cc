import { cpSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt } from '../../pipeline/files/files.js'
import { MAX_RECORD } from '../../pipeline/files/limits.js'
import { lockDirectory } from '../../pipeline/files/lock.js'
import { readRegularFile } from '../../pipeline/files/regular-file.js'
import { isDone } from '../../pipeline/run/past-record.js'
import type { Outcome } from '../executor.js'
import { isRun } from './artifacts.js'

/**
 * Copies a run that is done, whole or not at all. Links, pipes and devices in it are left out. A run that is done and there
 * already stays; one that failed or was stopped gives way. Returns what is wrong if there is no run. Throws a PipelineError:
 * `ARGUMENTS` if another process goes on with the run that is there, `WRITE` if it cannot be copied.
 */
export function copyRun(from: string, to: string): string | undefined {
  if (isRun(to) && (from === to || isDone(to))) return undefined
  if (!isRun(from)) return `no files in ${from}; millrace sweep submit --retry makes them again`
  if (!isRun(to) && lstatSync(to, { throwIfNoEntry: false })) return `${shortPath(to)} is no run: move it away`
  const part = `${to}.part`
  attempt('copy', to, () => {
    rmSync(part, { recursive: true, force: true })
    cpSync(from, part, { recursive: true, filter: isPlain })
  })
  // Nobody may be writing the run that gives way.
  if (isRun(to)) lockDirectory(to)()
  attempt('copy', to, () => {
    rmSync(to, { recursive: true, force: true })
    renameSync(part, to)
  })
  return undefined
}

function isPlain(path: string): boolean {
  const status = lstatSync(path)
  return status.isFile() || status.isDirectory()
}

/** The message in the record of a failed run: the queue has only the kind of the error. */
export function errorOfRun(directory: string, { status }: Outcome): string | undefined {
  if (status !== 'failed' || !isRun(directory)) return undefined
  try {
    const { error } = JSON.parse(String(readRegularFile(join(directory, 'run.json'), MAX_RECORD))) as {
      error?: unknown
    }
    return typeof error === 'string' ? error : undefined
  } catch {
    return undefined
  }
}
