import { formatBytes } from '../base/byte-size.js'
import { PipelineError } from '../base/errors.js'

/** The memory that the stages of a run share for their rows. */
export interface Memory {
  /** The limit in bytes; infinity if the definition names none. */
  readonly limit: number
  /** Bytes that one reading ahead should have at most. */
  readonly window: number
  /** Whether so many more bytes may be taken, with room left for what is read ahead. */
  fits(bytes: number): boolean
  /**
   * Takes bytes for as long as the run lasts. Throws a PipelineError `DATA` if the limit does not allow it.
   *
   * @param what is kept there, for the message: `the rows of train`
   * @param fix what helps, for the message; default: a cache behind the load stage
   */
  take(bytes: number, what: string, fix?: string): void
  /** Gives bytes back that were taken, because what lay there is no longer kept. */
  give(bytes: number): void
}

/** The share of the limit that stays free for windows. */
const FREE = 1 / 4

/** The largest and the smallest window, in bytes. */
const WINDOW = { most: 4 << 20, least: 1 << 16 }

const CACHE = 'put cache/arrow behind the load stage, from which rows are read in windows, or raise memory (--memory)'

/** Makes the memory of a run, which all its stages share. */
export function runMemory(limit = Number.POSITIVE_INFINITY): Memory {
  let taken = 0
  const fits = (bytes: number): boolean => taken + bytes <= limit * (1 - FREE)
  return {
    limit,
    window: Math.max(WINDOW.least, Math.min(WINDOW.most, limit / 32)),
    fits,
    give: (bytes) => {
      taken -= bytes
    },
    take: (bytes, what, fix = CACHE) => {
      if (taken + bytes > limit)
        throw new PipelineError(
          'DATA',
          `${what} need ${formatBytes(bytes)}, memory: ${formatBytes(limit)} has ${formatBytes(limit - taken)} left; ${fix}`,
        )
      taken += bytes
    },
  }
}
