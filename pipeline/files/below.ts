import { lstatSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve, sep } from 'node:path'

/**
 * Whether a file or folder is `folder` itself or lies below it, after following symbolic links. What does not exist yet
 * counts as the place where it would be made. False if a link leads nowhere.
 */
export function isInside(path: string, folder: string): boolean {
  try {
    const root = realPath(resolve(folder))
    const target = realPath(resolve(path))
    return target === root || target.startsWith(root.endsWith(sep) ? root : root + sep)
  } catch {
    return false
  }
}

/** The path with symbolic links followed, as far as it exists. Throws if a link leads nowhere. */
function realPath(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false })) return realpathSync(path)
  const above = dirname(path)
  return above === path ? path : join(realPath(above), basename(path))
}
