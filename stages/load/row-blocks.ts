import { totalmem } from 'node:os'
import { PipelineError } from '../../pipeline/stage-kit.js'

/** Bytes of a block. Growing by blocks copies nothing. */
const BLOCK = 1 << 20

/** Bytes that stay free for everything else. */
const RESERVE = 64 << 20

/** Rows of float32 features with one number each for the label, in blocks that come as they are needed. */
export class RowBlocks {
  /** Number of features. */
  readonly width: number
  /** Number of rows. */
  count = 0
  private readonly perBlock: number
  private readonly values: Float32Array[] = []
  private readonly labels: Int32Array[] = []

  constructor(width: number) {
    this.width = width
    this.perBlock = Math.max(1, Math.floor(BLOCK / (width * Float32Array.BYTES_PER_ELEMENT)))
  }

  /**
   * Adds a row and returns its features, to be filled. Throws a PipelineError `DATA` if the machine has no memory for
   * all rows so far and for their copy in the splits.
   */
  add(label: number): Float32Array {
    const at = this.count % this.perBlock
    if (at === 0) this.grow()
    this.labels.at(-1)![at] = label
    this.count++
    return this.values.at(-1)!.subarray(at * this.width, (at + 1) * this.width)
  }

  /** The features of a row. */
  row(i: number): Float32Array {
    const at = (i % this.perBlock) * this.width
    return this.values[Math.floor(i / this.perBlock)]!.subarray(at, at + this.width)
  }

  /** What was given to `add` with a row. */
  label(i: number): number {
    return this.labels[Math.floor(i / this.perBlock)]![i % this.perBlock]!
  }

  private grow(): void {
    const size = this.perBlock * this.width * Float32Array.BYTES_PER_ELEMENT
    const copy = (this.values.length + 1) * size
    if (freeMemory() < size + copy + RESERVE) throw this.tooLarge(copy)
    try {
      this.values.push(new Float32Array(this.perBlock * this.width))
      this.labels.push(new Int32Array(this.perBlock))
    } catch (cause) {
      throw this.tooLarge(copy, cause)
    }
  }

  private tooLarge(bytes: number, cause?: unknown): PipelineError {
    const size = `${this.count} rows of ${this.width} features take ${bytes >> 20} MiB, and as much again as splits`
    const fix = 'leave out columns or rows, or take a machine with more memory'
    return new PipelineError('DATA', `not enough memory: ${size}; ${fix}`, { cause })
  }
}

/** Bytes that this process may still take. Only Linux tells it; elsewhere what is free says little. */
function freeMemory(): number {
  return process.platform === 'linux' ? process.availableMemory() : totalmem() - process.memoryUsage.rss()
}
