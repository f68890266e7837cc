import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { byteSizeForm, parseByteSize } from '../../pipeline/base/byte-size.js'
import { PipelineError } from '../../pipeline/base/errors.js'

/** From this size on, in bytes, data is read in windows: its rows, a copy of them and Node take several times as much. */
const LARGE = 1e9

/** The share of the memory that the buffer of a shuffle gets, and the bounds of its rows. */
const BUFFER = { share: 1 / 8, least: 1000, most: 100_000 }

/**
 * The memory for rows, as `memory:` says it, if a pipeline should read them in windows. Throws a PipelineError `ARGUMENTS` if the
 * given size is none.
 *
 * @param memory what the user allows
 * @param from the data
 */
export function memoryForRows(memory: string | undefined, from: string | undefined): string | undefined {
  if (memory !== undefined && !((parseByteSize(memory) ?? 0) >= 1e6))
    throw new PipelineError(
      'ARGUMENTS',
      `--memory: expected ${byteSizeForm}, 1MB or more, got ${JSON.stringify(memory)}`,
    )
  return memory ?? (from !== undefined && sizeOf(from) >= LARGE ? '1GB' : undefined)
}

/**
 * Bytes of a file, or of a folder with the folders of splits and of classes in it. What cannot be read has none: the look at the
 * data tells.
 */
function sizeOf(path: string, depth = 3): number {
  try {
    const status = statSync(path)
    if (!status.isDirectory()) return status.size
    return depth === 0 ? 0 : readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name), depth - 1), 0)
  } catch {
    return 0
  }
}

/** What a pipeline of these stages does with its rows, for its top. */
export function largeRemarks(uses: readonly string[]): string[] {
  const parts = [
    ...(uses.includes('cache/arrow')
      ? ['Rows are kept in a file beside the data (cache/arrow) and read in windows.']
      : []),
    ...(uses.includes('shuffle/buffer')
      ? ['A buffer mixes rows as they come; if the data is sorted by its label, take shuffle/rows instead.']
      : []),
  ]
  return parts.length > 0 ? [parts.join(' ')] : []
}

/** The rows in the buffer of a shuffle. */
export function bufferSize(memory: string, features: number): number {
  const rows = Math.floor((parseByteSize(memory)! * BUFFER.share) / (4 * features + 8))
  const digits = 10 ** Math.max(0, Math.floor(Math.log10(rows)) - 1)
  // Few wide rows may take more than their share, but no more than half of the memory.
  const least = Math.max(2, Math.min(BUFFER.least, 4 * rows))
  return Math.min(BUFFER.most, Math.max(least, Math.floor(rows / digits) * digits))
}

/**
 * The stages, with a cache behind those that load and divide the rows. Throws a PipelineError `ARGUMENTS` if the user names neither
 * these nor the cache.
 */
export function withCache(uses: readonly string[]): string[] {
  if (uses.includes('cache/arrow')) return [...uses]
  const behind = uses.findLastIndex((use) => /^(load|split)\//.test(use)) + 1
  if (behind === 0)
    throw new PipelineError(
      'ARGUMENTS',
      '--memory keeps rows in a cache behind the stage that loads them; name that stage (load/csv,…), or cache/arrow behind one of your own',
    )
  return uses.toSpliced(behind, 0, 'cache/arrow')
}
