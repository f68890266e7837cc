import type { Table } from 'apache-arrow'
import {
  listed,
  PipelineError,
  readModelInputs,
  ShardBuffer,
  type StageContext,
  someOf,
  turn,
} from '../../../pipeline/stage-kit.js'
import { givenFiles } from '../input-files.js'
import { rowMemory } from '../row-memory.js'
import { placesOf, rowsOfPiece, type SplitSize } from '../row-span.js'
import { SpillFile } from '../spill-file.js'
import { divided, labelsOf, type Split } from './division.js'
import { type FittedColumn, fitColumns } from './fit.js'
import { tablesForModel } from './for-model.js'
import { orderOf, tablesInPlace } from './in-place.js'
import { type ExamplesOfRows, layoutOfRows } from './layout.js'
import type { TabularOptions } from './options.js'
import { piecesOf } from './pieces.js'
import { readings } from './readings.js'
import type { RowBlocks } from './row-blocks.js'
import { homeFor, type RowCounter } from './row-home.js'
import { TableRows } from './table-rows.js'

/** Reads a file into the rows: calls `begin`, `add` for every row, and `endFile`. */
export type FileReader<O extends TabularOptions> = (
  path: string,
  options: O,
  rows: TableRows,
  context: StageContext,
) => Promise<void>

/** What becomes of a row: it is in a split, or in that from which columns are fitted. */
const [USED, FOR_FIT] = [1, 2]

/** Rows that are dealt to a split between two turns of the event loop. */
const DEALT = 1024

/** Bytes for each row beside its cells, while rows from a file are divided: its class, its split and its place. */
const PER_ROW = 12

/**
 * Reads all files of a load stage with columns, divides the rows into splits, finds categories and fill values in the
 * training split (`train` if there is one, else all rows), and makes a table of examples for each split; or tables of a few
 * megabytes if the stage below asks for them. Rows that do not fit into memory then lie in a file of the run directory.
 */
export async function* tabularExamples<O extends TabularOptions>(
  options: O,
  context: StageContext,
  readFile: FileReader<O>,
  countRows?: RowCounter,
): AsyncGenerator<Table> {
  async function readAll(rows: TableRows, context: StageContext): Promise<ReadonlyMap<string, number>> {
    const ends = new Map<string, number>()
    for (const [split, given] of options.files ? Object.entries(options.files) : [['', options.path] as const]) {
      for (const path of givenFiles(given)) await readFile(path, options, rows, context)
      ends.set(split, rows.count)
    }
    return ends
  }

  if (options.model !== undefined)
    return yield* tablesForModel(options, readModelInputs(options.model), context, readAll)
  const isInPieces = context.asked.some(({ pieces }) => pieces) && !context.parallel.isDivided
  const spill = isInPieces && context.directory !== '' ? () => new SpillFile(context) : undefined
  const { first, second } = readings(context)
  const home = countRows && !isInPieces ? await homeFor(options, context, countRows) : undefined
  let rows = new TableRows(options, first, undefined, { spill, home })
  try {
    let ends = await readAll(rows, first)
    const offsets = rows.offsetsFor(context)
    if (offsets.length > 0) {
      rows.rows!.clear()
      rows = new TableRows(options, second, undefined, { spill, home }, offsets)
      ends = await readAll(rows, second)
    }
    const { classes, classOf } = rows.labels.classes(context)
    const stored = rows.rows!
    await stored.settle(context)
    const extra = stored.isInMemory ? 0 : PER_ROW * stored.count
    context.memory.take(extra, `the splits of ${stored.count} rows`, 'raise memory (--memory)')
    try {
      const labels = await labelsOf(rows, classOf, context)
      const splits = await divided(rows, labels, ends, options, context)
      const fitted = rows.isWhole ? [] : await fit(rows, splits, options, context)
      if (!rows.isWhole) tell(rows, fitted, splits, context)
      const layout = layoutOfRows(rows, fitted, classes, options)
      const values = layout.encoder.isCopy ? stored.atHome : undefined
      const order = values && orderOf(splits, stored.count)
      if (order) yield* tablesInPlace(values, order, stored, labels, splits, layout, context)
      else if (stored.isInMemory) yield* tablesInMemory(stored, labels, splits, layout, isInPieces, context)
      else {
        const sizes = splits.map(([name, own]): SplitSize => [name, own.length])
        const places = placesOf(splits.splice(0), stored.count)
        yield* piecesOf(stored, places, sizes, layout, (code) => classOf[code] ?? -1, context)
      }
    } finally {
      context.memory.give(extra)
    }
  } finally {
    rows.rows?.clear()
  }
}

/** Makes a table of each split, or several, of rows in memory. */
async function* tablesInMemory(
  stored: RowBlocks,
  labels: Int32Array,
  splits: readonly Split[],
  { encoder, fields, type, perRow }: ExamplesOfRows,
  isInPieces: boolean,
  context: StageContext,
): AsyncGenerator<Table> {
  const allocate = (length: number): Uint8Array | Float32Array => {
    // Pieces are dropped soon, and the memory of the kernels is kept.
    if (isInPieces) return type === 'uint8' ? new Uint8Array(length) : new Float32Array(length)
    return rowMemory(length, type, context.kernels)
  }
  for (const [split, whole] of splits) {
    const step = isInPieces ? rowsOfPiece(encoder.width, type) : Math.max(1, whole.length)
    for (let start = 0; start === 0 || start < whole.length; start += step) {
      const order = whole.subarray(start, Math.min(whole.length, start + step))
      const dealt = new ShardBuffer<Uint8Array | Float32Array>(
        context.parallel,
        order.length,
        encoder.width,
        allocate,
        perRow,
      )
      // A function of its own, because V8 does not compile the loops of generators well.
      const deal = (from: number, to: number): void => {
        for (let i = from; i < to; i++) {
          const row = order[i]!
          const end = encoder.isCopy ? endOfRun(order, i, Math.min(to, i + stored.left(row))) : i + 1
          if (end - i > 1 && dealt.copyRun(i, stored.block(row), stored.offset(row), end - i)) {
            for (let at = row; i < end; i++, at++) dealt.putLabel(i, labels[at]!, stored.number(at), stored.weight(at))
            i--
            continue
          }
          const [label, number, weight] = [labels[row]!, stored.number(row), stored.weight(row)]
          if (encoder.isCopy) dealt.putFrom(i, stored.block(row), stored.offset(row), label, number, weight)
          else dealt.put(i, encoder.encode(stored.row(row)), label, number, weight)
        }
      }
      for (let from = 0; from < order.length; from += DEALT) {
        deal(from, Math.min(from + DEALT, order.length))
        await turn(context)
      }
      yield* dealt.tables(fields, split)
    }
  }
}

/** The end of the rows from `i` on, at most `most`, that follow one another in the file. */
function endOfRun(order: ArrayLike<number>, i: number, most: number): number {
  let end = i + 1
  while (end < most && order[end] === order[end - 1]! + 1) end++
  return end
}

async function fit(
  { cells, rows, columnNames, firstPath }: TableRows,
  splits: readonly Split[],
  { unseen }: TabularOptions,
  context: StageContext,
): Promise<(FittedColumn | undefined)[]> {
  const train = splits.find(([name]) => name === 'train')
  const use = new Uint8Array(rows!.count)
  for (const split of splits) {
    const own = split === train ? FOR_FIT : USED
    for (const row of split[1]) use[row] = own
  }
  const isFit = train && ((row: number): boolean => use[row] === FOR_FIT)
  const isUsed = (row: number): boolean => use[row] !== 0
  const kept = [...cells.entries()].filter(([, { kind }]) => kind !== 'dropped')
  const columns = kept.map(([index, cells]) => ({ cells, index, name: columnNames?.[index] ?? cells.rules.title }))
  const fitting = { rows: rows!, isFit, isUsed, split: train ? 'train' : 'data', unseen, path: firstPath }
  const found = await fitColumns(columns, fitting, context)
  const fitted: (FittedColumn | undefined)[] = cells.map(() => undefined)
  for (const [i, { index }] of columns.entries()) fitted[index] = found[i]
  return fitted
}

/** Adds notes on what became of missing cells and of texts. */
function tell(
  { cells, dropped, count, firstPath }: TableRows,
  fitted: readonly (FittedColumn | undefined)[],
  splits: readonly Split[],
  context: StageContext,
): void {
  const fills = cells.filter(({ missing, kind, dropsRows }) => missing > 0 && kind !== 'dropped' && !dropsRows)
  if (fills.length > 0) {
    const list = someOf(fills.map(({ rules, missing }) => `${rules.title} (${missing})`))
    const from = splits.some(([name]) => name === 'train') ? 'the split train' : 'all rows'
    context.note(`missing cells are filled, with values from ${from}: ${list}`)
  }
  if (dropped > 0) context.note(`${dropped} of ${dropped + count} rows are left out, because cells are missing`)
  const out = cells.filter(({ kind }) => kind === 'dropped')
  if (out.length > 0) {
    const list = listed(
      out.map(({ rules, places }) => `${rules.title} (${places[0]})`),
      'and',
    )
    context.note(`columns with texts are left out: ${list}`)
  }
  if (fitted.every((column) => column === undefined))
    throw new PipelineError(
      'DATA',
      `${firstPath}: all feature columns have texts and are left out; text: one-hot makes features of them`,
    )
}
