import { lstatSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { PipelineError, type StageContext } from '../../pipeline/stage-kit.js'

/** The folder beside the data, and in the run directory. */
const FOLDER = '.millrace-cache'

/** Where a cache may lie. */
export interface CachePlace {
  /** They return the folders in which it is looked for, in this order. */
  readonly read: readonly (() => string)[]
  /** Returns the folder that a new one is written to. Throws a PipelineError `WRITE` if a symbolic link is on the way. */
  write(): string
}

/**
 * Decides where the cache of the stages above lies.
 *
 * @param directory the option: a path inside the run directory, or an absolute one if the user permits that
 */
export function placeOf(directory: string | undefined, context: StageContext): CachePlace {
  const name = context.above.digest.slice(0, 16)
  if (directory !== undefined && isAbsolute(directory)) {
    const folder = join(directory, name)
    return { read: [() => folder], write: () => folder }
  }
  // Makes the folder, so it is called only if it is needed.
  const inRun = (): string => dirname(context.unlistedFile(join(directory ?? FOLDER, name, 'cache.json')))
  const [source] = context.above.sources
  if (directory !== undefined || source === undefined) return { read: [inRun], write: inRun }
  const beside = join(dirname(resolve(source)), FOLDER)
  if (context.isOwn)
    return {
      read: [() => join(beside, name)],
      write: () => {
        // Whoever packed the data may have put a link there that leads out of its folder.
        for (const path of [beside, join(beside, name)])
          if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
            throw new PipelineError(
              'WRITE',
              `cannot write the cache: ${path} is a symbolic link, which is not followed`,
            )
        return join(beside, name)
      },
    }
  return { read: [() => join(beside, name), inRun], write: inRun }
}
