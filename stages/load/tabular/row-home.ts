import { type Kernels, type StageContext, splitSizes } from '../../../pipeline/stage-kit.js'
import { givenFiles } from '../input-files.js'
import { rowMemory } from '../row-memory.js'
import { fractionsOf, type TabularOptions } from './options.js'
import type { RowType, RowValues } from './row-block.js'

/** Tells how many rows a file has; undefined if that is known only when it has been read. */
export type RowCounter = (path: string, context: StageContext) => Promise<number | undefined>

/**
 * Memory of the kernels for all rows of a load stage. Rows are written there as they are read, and splits are views of it. It is
 * allocated once, also if the files are read twice.
 */
export class RowHome {
  /** Number of rows that are expected. */
  readonly rows: number
  private readonly kernels: Pick<Kernels, 'allocate'>
  private values: RowValues | undefined

  constructor(rows: number, kernels: Pick<Kernels, 'allocate'>) {
    this.rows = rows
    this.kernels = kernels
  }

  /** The memory, for `length` numbers. Throws a RangeError if it cannot be allocated. */
  valuesFor(length: number, type: RowType): RowValues {
    this.values ??= rowMemory(length, type, this.kernels)
    return this.values
  }
}

/** Makes a home for all rows of the files if it can become the memory of the splits: each row comes into one of them, in this process. */
export async function homeFor(
  options: TabularOptions,
  context: StageContext,
  countRows: RowCounter,
): Promise<RowHome | undefined> {
  if (context.parallel.isDivided) return undefined
  let count = 0
  for (const given of options.files ? Object.values(options.files) : [options.path])
    for (const path of givenFiles(given)) {
      const rows = await countRows(path, context)
      if (rows === undefined) return undefined
      count += rows
    }
  if (!options.files) {
    const sizes = splitSizes(fractionsOf(options), count).values()
    if ([...sizes].reduce((sum, size) => sum + size, 0) < count) return undefined
  }
  return count > 0 ? new RowHome(count, context.kernels) : undefined
}
