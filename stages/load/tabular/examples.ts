import type { Table } from 'apache-arrow'
import {
  dealRows,
  exampleFields,
  featureNames,
  holdOut,
  listed,
  MODEL_SPLIT,
  type ModelInputs,
  type PerRowName,
  PipelineError,
  readModelInputs,
  ShardBuffer,
  type StageContext,
  someOf,
  turn,
  widthOf,
} from '../../../pipeline/stage-kit.js'
import { givenFiles } from '../input-files.js'
import { RowEncoder } from './encoder.js'
import { type FittedColumn, fitColumn } from './fit.js'
import { FOLDED, fractionsOf, type TabularOptions } from './options.js'
import type { RowBlocks } from './row-blocks.js'
import { TableRows } from './table-rows.js'

/** Reads a file into the rows: calls `begin`, `add` for every row, and `endFile`. */
export type FileReader = (path: string, rows: TableRows) => Promise<void>

/** Rows that are dealt to a split between two turns of the event loop. */
const DEALT = 1024

/** Bytes of the features of a table, for a stage that takes the rows in pieces. */
const PIECE = 4 << 20

/** The rows of one split. */
type Split = readonly [name: string, rows: ArrayLike<number> & Iterable<number>]

/**
 * Reads all files of a load stage with columns, divides the rows into splits, finds categories and fill values in the
 * training split (`train` if there is one, else all rows), and makes a table of examples for each split.
 */
export async function* tabularExamples(
  options: TabularOptions,
  context: StageContext,
  readFile: FileReader,
): AsyncGenerator<Table> {
  const model = options.model === undefined ? undefined : readModelInputs(options.model)
  const rows = new TableRows(options, context, model)
  const ends = new Map<string, number>()
  for (const [split, given] of options.files ? Object.entries(options.files) : [['', options.path] as const]) {
    for (const path of givenFiles(given)) await readFile(path, rows)
    ends.set(split, rows.count)
  }
  const { classes, classOf } = rows.labels.classes(context)
  const stored = rows.rows!
  const labels = new Int32Array(stored.count)
  for (let row = 0; row < labels.length; row++) {
    labels[row] = classOf[stored.label(row)] ?? -1
    if (row % 4096 === 0) await turn(context)
  }
  const keys = options.group !== undefined && !model ? rows.groups.keysOf(stored) : undefined
  const whole = model
    ? [[MODEL_SPLIT, range(0, stored.count)] as Split]
    : options.files
      ? rangesOf(ends)
      : rows.recordedSplits.size > 0 && options.fractions === undefined
        ? [...rows.recordedSplits]
        : [...(await dealRows(labels, fractionsOf(options), options, context, keys))]
  const splits = model || options.folds === undefined ? whole : await folded(whole, labels, options, context, keys)
  const fitted = rows.isWhole ? [] : model ? columnsOf(rows, model) : await fit(rows, splits, options, context)
  if (!model && !rows.isWhole) tell(rows, fitted, splits, context)
  const encoder = rows.isWhole ? wholeRows(stored) : new RowEncoder(fitted)
  const { recorded } = rows
  const shape = shapeOf(rows, encoder.width, options, model)
  const columns = fitted.flatMap((each) => (each ? [each.column] : []))
  const isPlain = columns.every((column) => column.kind === 'number' && column.fill === undefined)
  const isNamed = !rows.isWhole && (rows.columnNames !== undefined || !isPlain)
  const type = rows.isWhole ? stored.type : model ? model.type : options.type
  const layout = {
    shape,
    classes,
    names: model ? model.names : recorded ? recorded.names : isNamed ? featureNames(columns) : undefined,
    columns: model ? model.columns : recorded ? recorded.columns : isPlain ? undefined : columns,
    label: model ? model.label : recorded ? recorded.label : rows.labelName,
    ...(rows.hasWeights && { weighted: true }),
  }
  const fields = exampleFields(layout, type === 'uint8' ? new Uint8Array(0) : new Float32Array(0))
  const isNumbered = model !== undefined || options.path !== undefined || rows.dropped > 0
  const perRow: PerRowName[] = [
    ...(isNumbered ? ['row' as const] : []),
    ...(rows.hasWeights ? ['weight' as const] : []),
  ]
  const isInPieces = context.asked.some(({ pieces }) => pieces) && !context.parallel.isDivided
  const allocate = (length: number): Uint8Array | Float32Array => {
    // Pieces are dropped soon, and the memory of the kernels is kept.
    if (isInPieces) return type === 'uint8' ? new Uint8Array(length) : new Float32Array(length)
    return type === 'uint8' ? context.kernels.allocate(length) : floats(length, context)
  }
  const rowBytes = encoder.width * (type === 'uint8' ? 1 : 4)
  for (const [split, whole] of splits) {
    const step = Math.max(1, isInPieces ? Math.floor(PIECE / rowBytes) : whole.length)
    for (let start = 0; start === 0 || start < whole.length; start += step) {
      const order = step >= whole.length ? whole : partOf(whole, start, Math.min(whole.length, start + step))
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
  stored.clear()
}

function partOf(rows: ArrayLike<number>, from: number, to: number): Uint32Array {
  return Uint32Array.from({ length: to - from }, (_, i) => rows[from + i]!)
}

/** The end of the rows from `i` on, at most `most`, that follow one another in the file. */
function endOfRun(order: ArrayLike<number>, i: number, most: number): number {
  let end = i + 1
  while (end < most && order[end] === order[end - 1]! + 1) end++
  return end
}

/** Rows whose stored numbers are their features. */
function wholeRows({ width }: RowBlocks): Pick<RowEncoder, 'width' | 'encode' | 'isCopy'> {
  return { width, encode: (row) => row, isCopy: true }
}

/** The splits with a fold of the training rows held out. */
async function folded(
  splits: readonly Split[],
  labels: Int32Array,
  options: TabularOptions,
  context: StageContext,
  keys: Float64Array | undefined,
): Promise<Split[]> {
  const train = Uint32Array.from(splits.find(([name]) => name === FOLDED)?.[1] ?? [])
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

/** The columns of a model. The stored numbers are its numbers and the indices of its categories already. */
function columnsOf({ cells }: TableRows, model: ModelInputs): FittedColumn[] {
  return cells.map(({ rules }, j) => ({ column: model.columns?.[j] ?? rules.model!, fill: Number.NaN }))
}

async function fit(
  { cells, rows, columnNames, firstPath }: TableRows,
  splits: readonly Split[],
  { unseen }: TabularOptions,
  context: StageContext,
): Promise<(FittedColumn | undefined)[]> {
  const train = splits.find(([name]) => name === 'train')
  const [split, order] = train ?? ['data', range(0, rows!.count)]
  const fitting = { rows: rows!, fit: order, split, unseen, path: firstPath }
  const fitted: (FittedColumn | undefined)[] = []
  for (const [j, column] of cells.entries()) {
    const name = columnNames?.[j] ?? column.rules.title
    fitted.push(column.kind === 'dropped' ? undefined : await fitColumn(column, j, name, fitting, context))
  }
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

function shapeOf(
  { firstPath, recorded }: TableRows,
  width: number,
  options: TabularOptions,
  model: ModelInputs | undefined,
): readonly number[] {
  const shape = model?.shape ?? options.shape ?? recorded?.shape ?? [width]
  if (widthOf(shape) === width) return shape
  const taker = model ? ' (the shape that the model takes)' : ''
  throw new PipelineError('DATA', `${firstPath}: expected ${shape.join('×')} features${taker}, found ${width}`)
}

function floats(length: number, { kernels }: StageContext): Float32Array {
  const bytes = kernels.allocate(length * Float32Array.BYTES_PER_ELEMENT)
  return new Float32Array(bytes.buffer, bytes.byteOffset, length)
}
