import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownerIn, stateOf, thisProcess } from './lock-owner.js'
import { readRegularFile } from './regular-file.js'

/** The file that names the process that writes a cache. */
const OWNER = 'owner.json'

/** The most bytes of it. */
const MOST = 1 << 14

/** Makes a folder beside `folder`, for a cache that is being written. Throws the error of the system. */
export function partFolder(folder: string): string {
  const part = mkdtempSync(`${folder}.part-`)
  try {
    writeFileSync(join(part, OWNER), JSON.stringify(thisProcess('')))
  } catch (error) {
    // Nobody would know that it may go.
    rmSync(part, { recursive: true, force: true })
    throw error
  }
  return part
}

/**
 * Removes the name of the process that wrote a cache, because the cache is whole and has its own name: a folder beside it that
 * names nobody would stay for ever.
 */
export function disown(folder: string): void {
  rmSync(join(folder, OWNER), { force: true })
}

/** Removes unfinished caches of processes that have ended: a process that is killed removes nothing. */
export function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!/^[0-9a-f]{16}\.part-/.test(name)) continue
    try {
      const owner = ownerIn(readRegularFile(join(parent, name, OWNER), MOST).toString())
      if (owner && stateOf(owner) === 'ended') rmSync(join(parent, name), { recursive: true, force: true })
    } catch {
      // It is new and names nobody yet, or is of another user.
    }
  }
}
