import { closeSync, openSync, rmSync } from 'node:fs'

/**
 * Opens a new file for writing and reading and removes its name, so nothing of it stays, however the process ends. Replaces what a
 * process left that was killed between the two. Throws the error of the system.
 */
export function openNameless(path: string): number {
  rmSync(path, { force: true })
  const descriptor = openSync(path, 'wx+', 0o600)
  try {
    rmSync(path)
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
  return descriptor
}
