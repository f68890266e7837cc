import { type Cell, hashOfText, isMissing, PipelineError } from '../../../pipeline/stage-kit.js'
import type { Place } from './column-cells.js'
import type { RowBlocks } from './row-blocks.js'

/**
 * A number for the group of each row: a hash of 53 bits of the cell that tells which rows belong together. Equal cells are
 * equal as texts, so 7 in a column of numbers is "7" in one of texts.
 */
export class GroupKeys {
  private keys = new Float64Array(0)

  /** Sets the group of a row by its number in the source. Throws a PipelineError `DATA` if the cell is missing. */
  set(number: number, cell: Cell, missingTexts: readonly string[], place: Place): void {
    const text = isMissing(cell) ? '' : String(cell).trim()
    if (text === '' || missingTexts.includes(text))
      throw new PipelineError('DATA', `${place()}: group: the cell that tells the group of the row is missing`)
    if (number >= this.keys.length) {
      const larger = new Float64Array(Math.max(1024, 2 * number))
      larger.set(this.keys)
      this.keys = larger
    }
    this.keys[number] = hashOfText(text, 0)
  }

  /** The keys of the rows that are kept. */
  async keysOf(rows: RowBlocks): Promise<Float64Array> {
    const keys = new Float64Array(rows.count)
    for await (const { first, count, numbers } of rows.inOrder())
      for (let i = 0; i < count; i++) keys[first + i] = this.keys[numbers?.[i] ?? first + i]!
    return keys
  }
}
