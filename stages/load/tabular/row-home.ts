import type { Kernels } from '../../../pipeline/stage-kit.js'
import type { RowType, RowValues } from './row-block.js'

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
    this.values ??= type === 'uint8' ? this.kernels.allocate(length) : this.floats(length)
    return this.values
  }

  private floats(length: number): Float32Array {
    const { buffer, byteOffset } = this.kernels.allocate(length * Float32Array.BYTES_PER_ELEMENT)
    return new Float32Array(buffer, byteOffset, length)
  }
}
