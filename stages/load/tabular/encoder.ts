import { type Column, featuresOfColumn } from '../../../pipeline/stage-kit.js'
import type { FittedColumn } from './fit.js'
import type { RowValues } from './row-block.js'

interface Part {
  readonly from: number
  readonly to: number
  readonly isOneHot: boolean
  readonly lookup: ArrayLike<number> | undefined
  readonly fill: number
}

/** Turns stored rows into features. */
export class RowEncoder {
  /** Number of features. */
  readonly width: number
  private readonly parts: readonly Part[]
  private readonly features: Float64Array
  /** Whether stored rows are the features. */
  readonly isCopy: boolean

  /** @param columns one per number of a stored row; undefined: the number is left out */
  constructor(columns: readonly (FittedColumn | undefined)[]) {
    let width = 0
    this.parts = columns.flatMap((fitted, from) => {
      if (!fitted) return []
      const { column, lookup, fill } = fitted
      const to = width
      width += featuresOfColumn(column)
      return [{ from, to, isOneHot: isOneHot(column), lookup, fill }]
    })
    this.width = width
    this.features = new Float64Array(width)
    this.isCopy =
      this.parts.length === columns.length &&
      this.parts.every(
        ({ from, to, isOneHot, lookup, fill }) => from === to && !isOneHot && !lookup && Number.isNaN(fill),
      )
  }

  /** Returns the features of a stored row. The next call may overwrite them. */
  encode(row: RowValues): ArrayLike<number> {
    if (this.isCopy) return row
    const { features } = this
    features.fill(0)
    for (const { from, to, isOneHot, lookup, fill } of this.parts) {
      const stored = row[from]!
      const value = Number.isNaN(stored) ? fill : lookup && stored >= 0 ? lookup[stored]! : stored
      if (!isOneHot) features[to] = value
      else if (value >= 0) features[to + value] = 1
    }
    return features
  }
}

const isOneHot = (column: Column): boolean => column.kind === 'category' && column.encode === 'one-hot'
