import {
  type Data,
  DataType,
  type Field,
  type FixedSizeList,
  type RecordBatch,
  type Table,
  type Vector,
} from 'apache-arrow'
import {
  type Cell,
  fieldsOf,
  halfToSingle,
  layoutOf,
  PipelineError,
  type StageContext,
  turn,
} from '../../../pipeline/stage-kit.js'
import { labelColumn } from '../tabular/columns.js'
import { areFloats } from '../tabular/number-tile.js'
import type { TabularOptions } from '../tabular/options.js'
import type { TableRows } from '../tabular/table-rows.js'
import { chooseWhole } from '../tabular/whole.js'
import { openArrow } from './batches.js'

/** Columns of recorded examples that are no features. */
const RECORDED = ['split', 'epoch', 'step']

/** The most rows that are taken between two turns of the event loop, and the most numbers of whole rows. */
const AT_ONCE = { numbers: 1 << 19, rows: 1 << 16 }

/** Reads the rows of an Arrow file or stream. Throws a PipelineError `DATA` that names the row of the first wrong cell. */
export async function readArrow(
  path: string,
  options: TabularOptions,
  rows: TableRows,
  context: StageContext,
): Promise<void> {
  const { head, batches } = await openArrow(path, context)
  const { fields } = head.schema
  const names = fields.map(({ name }) => name)
  const areWhole = fields.map(isWhole)
  const isRecorded = names.includes('features') && fields[names.indexOf('features')]!.metadata.has('shape')
  const label = labelColumn(names)
  const choice = { ...options, label: options.label ?? label }
  const drop = isRecorded ? [...options.drop, ...RECORDED.filter((name) => names.includes(name))] : options.drop
  const whole = chooseWhole(path, names, areWhole, { ...choice, drop }, rows.model !== undefined)
  const classes = isRecorded ? recordedClasses(rows, head) : undefined
  if (whole) {
    const { listSize, valueType } = fields[whole.features[0]!]!.type as FixedSizeList
    const isBytes = DataType.isInt(valueType) && valueType.bitWidth === 8 && !valueType.isSigned
    rows.beginWhole(path, whole, listSize, isBytes ? 'uint8' : 'float32')
  } else {
    const unusable = [...fields.keys()].filter((column) => !isUsable(fields[column]!.type))
    const declared = fields.map(({ type }) => declaredOf(type))
    rows.begin(path, { names, count: names.length, label, declared, unusable })
  }
  const { features, label: labels, weight, group } = rows.columns!
  const used = new Set([...features, labels, weight, group].filter((column) => column >= 0))
  for (const column of used) checkKind(path, fields[column]!, whole?.features[0] === column)
  const split = whole && isRecorded ? names.indexOf('split') : -1

  /** The cells of the columns that are used, without the column that has all features. */
  const cellsIn = (batch: RecordBatch): (ArrayLike<Cell> | undefined)[] => {
    const cells = names.map((_, column) =>
      (used.has(column) && column !== whole?.features[0]) || column === split
        ? cellsOf(batch.getChildAt(column)!)
        : undefined,
    )
    if (classes && labels >= 0) cells[labels] = Array.from(cells[labels]!, (code) => classes[Number(code)] ?? null)
    return cells
  }

  let from = 0
  for await (const batch of batches) {
    const first = from
    const placeOf = (row: number): string => `${path}: row ${first + row}`
    if (!whole)
      for (let row = 0; row < batch.numRows; row += AT_ONCE.rows) {
        const part = batch.slice(row, row + AT_ONCE.rows)
        await rows.addColumns(cellsIn(part), part.numRows, (i) => placeOf(row + i))
      }
    else {
      const cells = cellsIn(batch)
      const column = batch.data.children[whole.features[0]!]!
      const values = valuesOf(path, column)
      const width = (column.type as FixedSizeList).listSize
      const perRow = { labels: cells[labels], weights: cells[weight], splits: cells[split] }
      const step = Math.max(1, Math.min(AT_ONCE.rows, Math.floor(AT_ONCE.numbers / width)))
      for (let row = 0; row < batch.numRows; row += step) {
        const count = Math.min(step, batch.numRows - row)
        checkValid(column, row, count, placeOf)
        const at = (column.offset + row) * width
        const features = checkedRows(values.subarray(at, at + count * width), width, (i) => placeOf(row + i))
        rows.addWholeRun(features, row, count, perRow, placeOf)
        await turn(context)
      }
    }
    from += batch.numRows
  }
  rows.endFile(path)
}

/** Keeps what the file says of its examples. Returns the names of the classes, by label. */
function recordedClasses(rows: TableRows, table: Table): readonly string[] | undefined {
  try {
    const { shape, names, columns, label, classes } = layoutOf(table)
    rows.recorded ??= { shape, names, columns, label }
    const isCoded = DataType.isInt(fieldsOf(table)[1].type) && classes.length > 0
    if (isCoded) rows.labels.declare(classes)
    return isCoded ? classes : undefined
  } catch {
    // Columns of these names from another program.
    return undefined
  }
}

function isWhole({ type }: Field): boolean {
  return DataType.isFixedSizeList(type) && (DataType.isInt(type.valueType) || DataType.isFloat(type.valueType))
}

function declaredOf(type: DataType) {
  return isText(type) ? undefined : ({ type: 'number' } as const)
}

function isText(type: DataType): boolean {
  return DataType.isUtf8(type) || DataType.isLargeUtf8(type) || DataType.isDictionary(type)
}

function checkKind(path: string, { name, type }: Field, isWholeRow: boolean): void {
  if (isWholeRow || isUsable(type)) return
  const what = isNested(type) ? 'many values in each row' : `the type ${type}, which is not read as numbers or texts`
  throw new PipelineError('DATA', `${path}: the column ${name} has ${what}; leave it out with drop`)
}

function isNested(type: DataType): boolean {
  return DataType.isList(type) || DataType.isStruct(type) || DataType.isFixedSizeList(type)
}

/** Whether a column is read cell by cell. */
function isUsable(type: DataType): boolean {
  return !isNested(type) && isReadable(DataType.isDictionary(type) ? type.dictionary : type)
}

function isReadable(type: DataType): boolean {
  return [
    DataType.isInt,
    DataType.isFloat,
    DataType.isBool,
    DataType.isUtf8,
    DataType.isLargeUtf8,
    DataType.isDate,
    DataType.isTime,
    DataType.isTimestamp,
  ].some((is) => is(type))
}

/** The cells of a column of one batch: its numbers as they lie in memory if none is missing. */
function cellsOf(column: Vector): ArrayLike<Cell> {
  const [data] = column.data as [Data]
  const { type, values, length } = data
  const isPlain = (DataType.isInt(type) && type.bitWidth < 64) || (DataType.isFloat(type) && type.precision > 0)
  if (isPlain && data.nullCount === 0 && column.data.length === 1) return values.subarray(0, length)
  return Array.from({ length }, (_, i) => {
    const cell: unknown = column.get(i)
    return cell instanceof Date ? cell.getTime() : typeof cell === 'string' ? cell.trim() : (cell as Cell)
  })
}

/** The numbers of a column of lists, one after the other. */
function valuesOf(path: string, column: Data): Float32Array | Float64Array | Uint8Array {
  const [child] = column.children as [Data]
  if (child.nullCount > 0)
    throw new PipelineError('DATA', `${path}: expected features, found lists with missing numbers`)
  const { type, values } = child
  if (DataType.isFloat(type) && type.precision === 0)
    return Float32Array.from({ length: child.length }, (_, i) => halfToSingle(values[i]))
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) return Float64Array.from(values, Number)
  return values as Float32Array
}

function checkValid(column: Data, row: number, count: number, placeOf: (row: number) => string): void {
  if (column.nullCount === 0) return
  for (let i = row; i < row + count; i++)
    if (!column.getValid(i)) throw new PipelineError('DATA', `${placeOf(i)}: expected features, got nothing`)
}

/** Throws a PipelineError `DATA` if a number of these rows is none that float32 can hold. */
function checkedRows<V extends ArrayLike<number>>(values: V, width: number, placeOf: (row: number) => string): V {
  if (values instanceof Uint8Array || (values instanceof Float32Array && areFloats(values))) return values
  for (let i = 0; i < values.length; i++)
    if (!Number.isFinite(Math.fround(values[i]!)))
      throw new PipelineError(
        'DATA',
        `${placeOf(Math.floor(i / width))}: feature ${i % width}: expected a number that float32 can hold, got ${values[i]}`,
      )
  return values
}
