import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { byteSizeForm, parseByteSize } from '../../pipeline/base/byte-size.js'
import { PipelineError } from '../../pipeline/base/errors.js'

/** From this size on, in bytes, data is read in windows: its rows, a copy of them and Node take several times as much. */
const LARGE = 1e9

/** The share of the memory that the buffer of a shuffle gets, and the bounds of its rows. */
const BUFFER = { share: 1 / 8, least: 1000, most: 100_000 }

/** What a pipeline for data that does not fit into memory needs. */
export interface Large {
  /** As `memory:` says it. */
  readonly memory: string
  /** Why, for the top of the pipeline. */
  readonly remark: string
}

/**
 * Decides whether a pipeline should read its rows in windows. Throws a PipelineError `ARGUMENTS` if the given size is none.
 *
 * @param memory what the user allows
 * @param from the data
 */
export function largeData(memory: string | undefined, from: string | undefined): Large | undefined {
  if (memory !== undefined && !((parseByteSize(memory) ?? 0) >= 1e6))
    throw new PipelineError(
      'ARGUMENTS',
      `--memory: expected ${byteSizeForm}, 1MB or more, got ${JSON.stringify(memory)}`,
    )
  const isLarge = from !== undefined && sizeOf(from) >= LARGE
  if (memory === undefined && !isLarge) return undefined
  return {
    memory: memory ?? '1GB',
    remark:
      'Rows are kept in a file beside the data (cache/arrow) and read in windows. A buffer mixes them as they come; if the data is ' +
      'sorted by its label, take shuffle/rows instead.',
  }
}

function sizeOf(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false })
  if (!status?.isDirectory()) return status?.size ?? 0
  return readdirSync(path).reduce(
    (sum, name) => sum + (statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  )
}

/** The rows in the buffer of a shuffle. */
export function bufferSize({ memory }: Large, features: number): number {
  const rows = Math.floor((parseByteSize(memory)! * BUFFER.share) / (4 * features + 8))
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(rows)) - 1)
  return Math.min(BUFFER.most, Math.max(BUFFER.least, Math.floor(rows / digits) * digits))
}

/** The stages, with a cache behind those that load and divide the rows. */
export function withCache(uses: readonly string[]): string[] {
  if (uses.includes('cache/arrow')) return [...uses]
  const behind = uses.findLastIndex((use) => /^(load|split)\//.test(use)) + 1
  return behind === 0 ? [...uses] : uses.toSpliced(behind, 0, 'cache/arrow')
}
