import type { ReadOptions } from '../pipeline/definition/read.js'

/** The flags of every command that reads a pipeline. */
export interface ReadingFlags {
  readonly set: readonly string[]
  readonly seed?: number
  /** False: `--no-plugins`. A folder: `--plugins DIR`. */
  readonly plugins?: boolean | string
  readonly allowAbsolutePaths?: boolean
}

/** What they mean to `Pipeline.load`. */
export function readOptions({ set, seed, plugins, allowAbsolutePaths }: ReadingFlags): ReadOptions {
  return { set, seed, plugins, allowAbsolutePaths }
}
