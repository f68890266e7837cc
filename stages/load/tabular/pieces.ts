import type { Table } from 'apache-arrow'
import { examplesTable, newPerRow, perRowOf, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import { RowScatter } from '../row-scatter.js'
import { piecesIn, type RowSpan, roomFor, rowsOfPiece, type SplitSize } from '../row-span.js'
import type { ExamplesOfRows } from './layout.js'
import type { RowBlocks } from './row-blocks.js'

/**
 * Makes a table of some stored rows.
 *
 * @param from the first of them, counted from the first row of the span
 * @param classOf the class of each code of a label
 */
export function tableOfRows(
  span: RowSpan,
  from: number,
  count: number,
  { encoder, fields, type, perRow }: ExamplesOfRows,
  classOf: (code: number) => number,
  split: string,
): Table {
  const { width } = encoder
  const values = type === 'uint8' ? new Uint8Array(count * width) : new Float32Array(count * width)
  const stored = span.values.length === 0 ? 0 : span.values.length / span.labels.length
  if (encoder.isCopy) values.set(span.values.subarray(from * width, (from + count) * width))
  else
    for (let i = 0; i < count; i++)
      values.set(encoder.encode(span.values.subarray((from + i) * stored, (from + i + 1) * stored)), i * width)
  const labels = new Int32Array(count)
  const rest = newPerRow(count, perRow)
  for (let i = 0; i < count; i++) {
    labels[i] = classOf(span.labels[from + i]!)
    if (rest.row) rest.row[i] = span.numbers?.[from + i] ?? span.first + from + i
    if (rest.weight) rest.weight[i] = span.weights?.[from + i] ?? 1
  }
  return examplesTable(fields, values, labels, split, undefined, undefined, perRowOf(rest))
}

/**
 * Makes tables of a few megabytes of rows that may lie in a file, split after split. The rows are dropped on the way.
 *
 * @param places the place of each row in the splits, one split behind the other; -1: in none
 */
export async function* piecesOf(
  stored: RowBlocks,
  places: Int32Array,
  splits: readonly SplitSize[],
  layout: ExamplesOfRows,
  classOf: (code: number) => number,
  context: StageContext,
): AsyncGenerator<Table> {
  const most = rowsOfPiece(layout.encoder.width, layout.type)
  const spans = inPlace(stored, places, splits, layout, context)
  const none = { first: 0, count: 0, ...roomFor(0, stored.width, stored.type, false) }
  for await (const { split, span, from, count } of piecesIn(spans, splits, most, none)) {
    yield tableOfRows(span, from, count, layout, classOf, split)
    await turn(context)
  }
}

/** The rows in the order of their places. */
async function* inPlace(
  stored: RowBlocks,
  places: Int32Array,
  splits: readonly SplitSize[],
  { perRow }: ExamplesOfRows,
  context: StageContext,
): AsyncGenerator<RowSpan> {
  if (isGrowing(places)) {
    for await (const span of stored.inOrder()) yield withoutOthers(span, places, stored.width)
    return
  }
  const count = splits.reduce((sum, [, rows]) => sum + rows, 0)
  const { width, type } = stored
  const scatter = new RowScatter({ width, type, isWeighted: perRow.includes('weight') }, count, context)
  try {
    for await (const { first, count, values, labels, numbers, weights } of stored.inOrder()) {
      for (let i = 0; i < count; i++) {
        const place = places[first + i]!
        if (place < 0) continue
        scatter.put(place, values, i * width, labels[i]!, numbers?.[i] ?? first + i, weights?.[i] ?? 1)
      }
      await turn(context)
    }
    stored.clear()
    yield* scatter.inOrder()
  } finally {
    scatter.close()
  }
}

/** Whether the rows that have places are in their order already. */
function isGrowing(places: Int32Array): boolean {
  let last = -1
  for (const place of places) {
    if (place < 0) continue
    if (place < last) return false
    last = place
  }
  return true
}

/** The rows that have places. */
function withoutOthers(span: RowSpan, places: Int32Array, width: number): RowSpan {
  const { first, count, values, labels, numbers, weights } = span
  const kept: number[] = []
  for (let i = 0; i < count; i++) if (places[first + i]! >= 0) kept.push(i)
  if (kept.length === count) return span
  const own = roomFor(kept.length, width, values instanceof Uint8Array ? 'uint8' : 'float32', weights !== undefined)
  for (const [at, i] of kept.entries()) {
    own.values.set(values.subarray(i * width, (i + 1) * width), at * width)
    own.labels[at] = labels[i]!
    own.numbers[at] = numbers?.[i] ?? first + i
    if (own.weights) own.weights[at] = weights![i]!
  }
  return { first: 0, count: kept.length, ...own }
}
