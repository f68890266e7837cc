import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { attempt } from '../pipeline/files/files.js'

/** A file that gets its name when it is complete. */
export interface OutputFile {
  /** Appends bytes. Throws a PipelineError `WRITE`. */
  append(bytes: Uint8Array): void
  /** Gives the file its name. Throws a PipelineError `WRITE`. */
  commit(): void
  /** Removes what was written, unless it was committed. */
  abandon(): void
}

/**
 * Begins a file under a temporary name beside its own. Throws a PipelineError: `ARGUMENTS` if the file exists and is not to
 * be replaced or is no file, `WRITE` if it cannot be written there.
 */
export function openOutputFile(target: string, force: boolean): OutputFile {
  const found = lstatSync(target, { throwIfNoEntry: false })
  if (found && !found.isFile())
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(target)} is not a regular file; --out - writes to standard output`,
    )
  if (found && !force)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(target)} exists already; --force replaces it, --out names another`,
    )
  const part = `${target}.${process.pid}.part`
  let descriptor: number | undefined = attempt('write', target, () => openSync(part, 'wx'))
  const abandon = (): void => {
    process.off('exit', abandon)
    if (descriptor === undefined) return
    closeSync(descriptor)
    descriptor = undefined
    rmSync(part, { force: true })
  }
  // A second Ctrl-C ends the process at once.
  process.on('exit', abandon)
  return {
    append: (bytes) =>
      attempt('write', target, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor!, bytes, at)
      }),
    commit: () => {
      attempt('write', target, () => {
        fsyncSync(descriptor!)
        renameSync(part, target)
      })
      closeSync(descriptor!)
      descriptor = undefined
      process.off('exit', abandon)
    },
    abandon,
  }
}
