/** Rows that lie one after the other, and the number of the first one. Valid until the next span is asked for. */
export interface RowSpan {
  /** The number of the first row. */
  readonly first: number
  /** Number of rows. */
  readonly count: number
  /** Row-major. */
  readonly values: Uint8Array | Float32Array
  /** The label of each row. */
  readonly labels: Int32Array
  /** The number of each row in its source; undefined: it is its number here. */
  readonly numbers?: Int32Array | undefined
  /** The weight of each row; undefined: 1. */
  readonly weights?: Float32Array | undefined
}

/** Makes room for rows of the kind of others. */
export function roomFor(count: number, width: number, type: 'uint8' | 'float32', isWeighted: boolean) {
  return {
    values: type === 'uint8' ? new Uint8Array(count * width) : new Float32Array(count * width),
    labels: new Int32Array(count),
    numbers: new Int32Array(count),
    ...(isWeighted && { weights: new Float32Array(count) }),
  }
}

/** Bytes of the features of a table, for a stage that takes the rows in pieces. */
const PIECE = 4 << 20

/** The most rows of a piece, for rows of so many features. */
export function rowsOfPiece(width: number, type: 'uint8' | 'float32'): number {
  return Math.max(1, Math.floor(PIECE / (width * (type === 'uint8' ? 1 : 4))))
}

/** A split and its number of rows. */
export type SplitSize = readonly [name: string, rows: number]

/** Some rows of a span that are a piece of a split. */
export interface Piece {
  /** The split. */
  readonly split: string
  /** The rows among which they are. */
  readonly span: RowSpan
  /** The first of them, counted from the first row of the span. */
  readonly from: number
  /** Number of rows. */
  readonly count: number
}

/**
 * Cuts rows that come split after split into pieces. A split without rows has one piece without rows.
 *
 * @param most the most rows of a piece
 * @param none a span without rows
 */
export async function* piecesIn(
  spans: AsyncGenerator<RowSpan>,
  splits: readonly SplitSize[],
  most: number,
  none: RowSpan,
): AsyncGenerator<Piece> {
  try {
    let span = none
    let from = 0
    for (const [split, rows] of splits) {
      if (rows === 0) yield { split, span: none, from: 0, count: 0 }
      for (let left = rows; left > 0; ) {
        while (from === span.count) {
          span = (await spans.next()).value as RowSpan
          from = 0
        }
        const count = Math.min(left, most, span.count - from)
        yield { split, span, from, count }
        from += count
        left -= count
      }
    }
  } finally {
    await spans.return(undefined)
  }
}

/** The places of all rows in the splits, one split behind the other; -1: in none. */
export function placesOf(splits: Iterable<readonly [name: string, rows: Uint32Array]>, count: number): Int32Array {
  const places = new Int32Array(count).fill(-1)
  let place = 0
  for (const [, rows] of splits) for (const row of rows) places[row] = place++
  return places
}
