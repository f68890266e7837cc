import { dealRows, holdOut, type StageContext, turn } from '../../../pipeline/stage-kit.js'
import { FOLDED, fractionsOf, type TabularOptions } from './options.js'
import type { TableRows } from './table-rows.js'

/** The rows of one split, in their order. */
export type Split = readonly [name: string, rows: Uint32Array]

/**
 * Divides the rows of a load stage into splits: by files, as the files recorded it, or as the options say.
 *
 * @param labels the class of each row
 * @param ends the row behind the last one of each split that has files
 */
export async function divided(
  rows: TableRows,
  labels: Int32Array,
  ends: ReadonlyMap<string, number>,
  options: TabularOptions,
  context: StageContext,
): Promise<Split[]> {
  const keys = options.group === undefined ? undefined : await rows.groups.keysOf(rows.rows!)
  const whole = options.files
    ? rangesOf(ends)
    : rows.recordedSplits.size > 0 && options.fractions === undefined
      ? [...rows.recordedSplits].map(([name, own]): Split => [name, Uint32Array.from(own)])
      : [...(await dealRows(labels, fractionsOf(options), options, context, keys))]
  return options.folds === undefined ? whole : folded(whole, labels, options, context, keys)
}

/** The splits with a fold of the training rows held out. */
async function folded(
  splits: readonly Split[],
  labels: Int32Array,
  options: TabularOptions,
  context: StageContext,
  keys: Float64Array | undefined,
): Promise<Split[]> {
  const train = splits.find(([name]) => name === FOLDED)?.[1] ?? new Uint32Array(0)
  const own = keys && Float64Array.from(train, (row) => keys[row]!)
  const classes = Int32Array.from(train, (row) => labels[row]!)
  const { kept, held } = await holdOut(classes, options.folds!, options.fold, options, context, own)
  const rowsAt = (places: Uint32Array) => places.map((at) => train[at]!)
  return [
    ...splits.map((split): Split => (split[0] === FOLDED ? [FOLDED, rowsAt(kept)] : split)),
    [options.to, rowsAt(held)],
  ]
}

function rangesOf(ends: ReadonlyMap<string, number>): Split[] {
  let from = 0
  return [...ends].map(([split, end]) => {
    const rows = range(from, end)
    from = end
    return [split, rows]
  })
}

function range(from: number, end: number): Uint32Array {
  const rows = new Uint32Array(end - from)
  for (let i = 0; i < rows.length; i++) rows[i] = from + i
  return rows
}

/** The class of each row. */
export async function labelsOf({ rows }: TableRows, classOf: Int32Array, context: StageContext): Promise<Int32Array> {
  const found = new Int32Array(rows!.count)
  for await (const { first, count, labels } of rows!.inOrder()) {
    for (let i = 0; i < count; i++) found[first + i] = classOf[labels[i]!] ?? -1
    await turn(context)
  }
  return found
}
