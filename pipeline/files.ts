import { lstatSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { shortPath } from './definition/value.js'
import { fileProblem, PipelineError } from './errors.js'

/** Writes beside the target, then renames. Throws a PipelineError `WRITE`; nothing half-written stays. */
export function replaceFile(target: string, content: string | Uint8Array): void {
  const temporary = `${target}.part`
  attempt('write', target, () => {
    try {
      // Made anew: what another run left there may be a link to somewhere else.
      if (lstatSync(temporary, { throwIfNoEntry: false })) unlinkSync(temporary)
      writeFileSync(temporary, content, { flag: 'wx' })
      renameSync(temporary, target)
    } catch (error) {
      try {
        rmSync(temporary, { force: true })
      } catch {
        // The first error is the one to tell.
      }
      throw error
    }
  })
}

/** Makes a folder and those above it. Throws what the system says. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    // Node says so of a file system that is read-only; making the folder alone tells the reason.
    mkdirSync(path)
  }
}

/** Runs a file operation; its failure becomes a PipelineError that says what was tried and why it failed. */
export function attempt<T>(action: string, path: string, operation: () => T): T {
  try {
    return operation()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError('WRITE', fileProblem(action, shortPath(path), error), { cause: error })
  }
}

/** Removes a file, if it is there. Throws a PipelineError `WRITE`. */
export function removeFile(path: string): void {
  attempt('remove', path, () => {
    try {
      // A fifth of the time that `rmSync` takes.
      unlinkSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  })
}
