import { cpSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt } from '../../pipeline/files/files.js'
import { MAX_RECORD } from '../../pipeline/files/limits.js'
import { readRegularFile } from '../../pipeline/files/regular-file.js'
import type { Outcome } from '../executor.js'
import { isRun } from './artifacts.js'

/**
 * Copies a run, whole or not at all. Links, pipes and devices in it are left out. A run that is there already stays.
 * Returns what is wrong if there is no run.
 */
export function copyRun(from: string, to: string): string | undefined {
  if (isRun(to)) return undefined
  if (!isRun(from)) return `no files in ${from}; millrace sweep submit --retry makes them again`
  if (lstatSync(to, { throwIfNoEntry: false })) return `${shortPath(to)} is no run: move it away`
  const part = `${to}.part`
  attempt('copy', to, () => {
    rmSync(part, { recursive: true, force: true })
    cpSync(from, part, { recursive: true, filter: isPlain })
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
