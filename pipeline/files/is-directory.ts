import { statSync } from 'node:fs'

/** Whether there is a directory, as far as the system tells. Whoever reads the path says what else is wrong with it. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}
