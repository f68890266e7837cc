import {
  type Data,
  DataType,
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Uint8,
} from 'apache-arrow'
import type { Affine, Origin } from '../../kernels/contract.js'
import { widthOf } from '../../kernels/network-shape.js'
import { someOf } from '../base/words.js'
import { composed, readAffine, writeAffine } from './affine.js'
import type { Column } from './columns.js'
import { type ExampleRows, newPerRow, type PerRow, perRowColumns, perRowData, perRowFields } from './per-row.js'
import { type Position, writePosition } from './position.js'
import type { Share } from './share.js'

/** The layout of the rows of a split. All tables cut from the split share it. */
export interface ExamplesLayout {
  /** Shape of one example, slowest axis first: `[3, 32, 32]`. */
  readonly shape: readonly number[]
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[]
  /** The number of rows of each class in the split that a batch was cut from, if they were counted. */
  readonly counts?: readonly number[] | undefined
  /** Names of the features, one per number of an example, if the data names them. */
  readonly names?: readonly string[] | undefined
  /** How the columns of the data became these features, if it had columns. */
  readonly columns?: readonly Column[] | undefined
  /** Name of the column of the labels, if the data names it. */
  readonly label?: string | undefined
  /** Whether each row has a weight, by which training steps multiply its loss; see `PerRow`. Default: false. */
  readonly weighted?: boolean | undefined
  /** Standardisation still to be applied to uint8 features. */
  readonly affine?: Affine | undefined
  /** Standardisation that float32 features have already gone through. */
  readonly applied?: Affine | undefined
}

/** Returns the whole map from the features as loaded to the inputs of a learner, or undefined if there is none. */
export function inputMapOf({ affine, applied }: ExamplesLayout): Affine | undefined {
  return affine && applied ? composed(applied, affine) : (affine ?? applied)
}

type Values = Uint8Array | Float32Array

const features = 'features'
const label = 'label'
const layouts = new WeakMap<Field, ExamplesLayout>()

/**
 * Makes the fields of an `examples` or `batch` table. Make them once per split: their metadata can be long.
 *
 * Throws a TypeError if float32 values have a standardisation that is still to be applied: nothing would apply it.
 */
export function exampleFields(layout: ExamplesLayout, values: Values): [Field, Field] {
  if (layout.affine && !(values instanceof Uint8Array))
    throw new TypeError(
      'exampleFields: only uint8 features have a standardisation that is still to be applied (affine), ' +
        `got a ${values.constructor.name}; standardisedRows(table) gives standardised floats and their fields`,
    )
  const width = widthOf(layout.shape)
  const type = values instanceof Uint8Array ? new Uint8() : new Float32()
  const metadata = new Map([['shape', layout.shape.join('x')]])
  if (layout.names) metadata.set('names', JSON.stringify(layout.names))
  if (layout.columns) metadata.set('columns', JSON.stringify(layout.columns))
  writeAffine(metadata, 'affine', layout.affine)
  writeAffine(metadata, 'applied', layout.applied)
  const field = new Field(features, new FixedSizeList(width, new Field('item', type, false)), false, metadata)
  layouts.set(field, layout)
  const ofLabels = new Map([['classes', JSON.stringify(layout.classes)]])
  if (layout.label !== undefined) ofLabels.set('name', layout.label)
  if (layout.weighted) ofLabels.set('weighted', 'true')
  if (layout.counts) ofLabels.set('counts', JSON.stringify(layout.counts))
  return [field, new Field(label, new Int32(), false, ofLabels)]
}

/**
 * Makes a table of examples. The memory is not copied. Throws a TypeError if values, labels and columns do not fit the
 * fields, or if the fields say that rows have weights and there are none: training would silently go on without them.
 *
 * @param values row-major, `[rows, features]`
 * @param labels one class index per row; -1 if it is not known
 * @param perRow further columns, one entry per row; `perRow` of `storedRows` has those of a table
 */
export function examplesTable(
  fields: readonly [Field, Field],
  values: Values,
  labels: Int32Array,
  split: string,
  position?: Position,
  share?: Share,
  perRow?: PerRow,
): Table {
  const metadata = new Map([
    ['wire', position ? 'batch' : 'examples'],
    ['split', split],
  ])
  if (position) writePosition(metadata, position)
  for (const [key, value] of Object.entries(share ?? {})) metadata.set(key, String(value))
  const schema = new Schema([...fields, ...perRowFields(perRow)], metadata)
  return new Table(schema, [new RecordBatch(schema, examplesData(fields, values, labels, perRow))])
}

/** Makes the data of one record batch of examples. Throws a TypeError as `examplesTable` does. */
export function examplesData(
  [featuresField, labelField]: readonly [Field, Field],
  values: Values,
  labels: Int32Array,
  perRow?: PerRow,
): Data<Struct> {
  const list = featuresField.type as FixedSizeList
  const length = labels.length
  checkValues(list, values, length)
  checkWeights(labelField, perRow)
  return makeData({
    type: new Struct([featuresField, labelField, ...perRowFields(perRow)]),
    length,
    nullCount: 0,
    children: [
      makeData({
        type: list,
        length,
        nullCount: 0,
        child: makeData({
          type: list.valueType as Uint8,
          length: values.length,
          nullCount: 0,
          data: values as Uint8Array,
        }),
      }),
      makeData({ type: new Int32(), length, nullCount: 0, data: labels }),
      ...perRowData(perRow, length),
    ],
  })
}

/** Throws a TypeError unless rows have weights exactly if their fields say so. */
function checkWeights({ metadata }: Field, perRow: PerRow | undefined): void {
  const isWeighted = metadata.has('weighted')
  if (isWeighted === (perRow?.weight !== undefined)) return
  throw new TypeError(
    isWeighted
      ? 'examplesTable: the fields are for rows with weights, got none; give those of the table as the last argument ' +
          '(storedRows(table).perRow)'
      : 'examplesTable: got weights, but the fields do not say so; exampleFields({ …, weighted: true }, values) makes ' +
          'fields that do',
  )
}

/** Throws a TypeError if values are not of the type and number that the fields of a table say. */
function checkValues({ listSize, valueType }: FixedSizeList, values: Values, rows: number): void {
  const isBytes = DataType.isInt(valueType)
  const remedy = isBytes
    ? 'standardisedRows(table) gives floats and their fields'
    : 'exampleFields(layoutOf(table), values) makes fields for it'
  if (isBytes !== values instanceof Uint8Array)
    throw new TypeError(
      `examplesTable: the fields are for ${isBytes ? 'uint8' : 'float32'} features, got a ${values.constructor.name}; ${remedy}`,
    )
  if (values.length !== rows * listSize)
    throw new TypeError(
      `examplesTable: ${rows} rows of ${listSize} features need ${rows * listSize} values, got ${values.length}`,
    )
}

/** Returns the fields of an examples table, to make other tables of the same layout. Throws an Error if it has none. */
export function fieldsOf(table: Table): [Field, Field] {
  const fields = [features, label].map((name) => table.schema.fields.find((field) => field.name === name))
  if (!fields[0] || !fields[1])
    throw new Error(
      `expected a table with the columns features and label, found ${someOf(table.schema.names.map(String)) || 'no columns'}`,
    )
  return fields as [Field, Field]
}

/** Returns the layout of an examples table. Tables with the same fields share one object. */
export function layoutOf(table: Table): ExamplesLayout {
  const [field, labelField] = fieldsOf(table)
  const known = layouts.get(field)
  if (known) return known
  const { metadata } = field
  const names = metadata.get('names')
  const columns = metadata.get('columns')
  const counts = labelField.metadata.get('counts')
  const labelName = labelField.metadata.get('name')
  const layout: ExamplesLayout = {
    shape: metadata.get('shape')?.split('x').map(Number) ?? [(field.type as FixedSizeList).listSize],
    classes: JSON.parse(labelField.metadata.get('classes') ?? '[]') as string[],
    ...(counts !== undefined && { counts: JSON.parse(counts) as number[] }),
    names: names === undefined ? undefined : (JSON.parse(names) as string[]),
    ...(columns !== undefined && { columns: JSON.parse(columns) as Column[] }),
    ...(labelName !== undefined && { label: labelName }),
    ...(labelField.metadata.has('weighted') && { weighted: true }),
    affine: readAffine(metadata, 'affine'),
    applied: readAffine(metadata, 'applied'),
  }
  layouts.set(field, layout)
  return layout
}

const rows = new WeakMap<RecordBatch, ExampleRows>()
const fixed = new WeakSet<RecordBatch>()

/** Tells that the rows of a table, views of a split in memory, never change: a kernel on a device may keep a copy. */
export function withFixedRows(table: Table): Table {
  for (const batch of table.batches) fixed.add(batch)
  return table
}

const origins = new WeakMap<RecordBatch, Origin>()

/** Tells where the rows of a table of one record batch were copied from. */
export function withOrigin(table: Table, origin: Origin | undefined): Table {
  if (origin) origins.set(table.batches[0]!, origin)
  return table
}

/**
 * The rows of a table for kernels and learners: views, not copies (a table of several chunks is joined first). Kernels
 * apply the standardisation themselves. A stage that computes with the values takes `storedRows` or `standardisedRows`.
 */
export function kernelRows(table: Table): ExampleRows {
  const [batch, ...others] = table.batches
  if (!batch || others.length > 0) return joinedRows(table)
  return rows.get(batch) ?? rowsOfBatch(batch, layoutOf(table).affine)
}

function rowsOfBatch(batch: RecordBatch, affine: Affine | undefined): ExampleRows {
  let found = rows.get(batch)
  if (!found) {
    found = viewed(batch.data, affine)
    if (fixed.has(batch)) found = { ...found, isFixed: true }
    const origin = origins.get(batch)
    if (origin) found = { ...found, origin }
    rows.set(batch, found)
  }
  return found
}

function viewed(data: Data, affine: Affine | undefined): ExampleRows {
  const fields = (data.type as Struct).children
  const column = (name: string) => data.children[fields.findIndex((field) => field.name === name)]
  const [list, labels] = [column(features), column(label)]
  // Other columns of these names, as a user's stage may add, are not meant.
  const row = column('row')?.values
  const weight = column('weight')?.values
  const size = data.length * (list!.type as FixedSizeList).listSize
  const values = list!.children[0]!.values as Values
  return {
    values: values.length === size ? values : values.subarray(0, size),
    labels: (labels!.values as Int32Array).subarray(0, data.length),
    affine,
    ...(row instanceof Int32Array && { row: row.subarray(0, data.length) }),
    ...(weight instanceof Float32Array && { weight: weight.subarray(0, data.length) }),
  }
}

function joinedRows(table: Table): ExampleRows {
  const { affine } = layoutOf(table)
  const parts = table.batches.map((batch) => viewed(batch.data, affine))
  const type = (fieldsOf(table)[0].type as FixedSizeList).valueType
  const size = parts.reduce((sum, { values }) => sum + values.length, 0)
  const values: Values = DataType.isInt(type) ? new Uint8Array(size) : new Float32Array(size)
  const labels = new Int32Array(table.numRows)
  const perRow = newPerRow(table.numRows, parts[0] ? perRowColumns(parts[0]) : [])
  let [at, row] = [0, 0]
  for (const part of parts) {
    values.set(part.values, at)
    labels.set(part.labels, row)
    if (part.row) perRow.row?.set(part.row, row)
    if (part.weight) perRow.weight?.set(part.weight, row)
    at += part.values.length
    row += part.labels.length
  }
  return { values, labels, affine, ...perRow }
}

/** The rows of each record batch of a table, as kernels read them. */
export function partsOf(table: Table): ExampleRows[] {
  const { affine } = layoutOf(table)
  return table.batches.map((batch) => rowsOfBatch(batch, affine))
}

/** Returns how many of these labels each class has. Unknown labels (-1) count for none. */
export function countsOf(labels: readonly Int32Array[], classes: number): number[] {
  const counts = new Array<number>(classes).fill(0)
  for (const each of labels) for (const label of each) if (label >= 0) counts[label]!++
  return counts
}

/** Returns the split of a table, or '' if the table names none. */
export function splitOf(table: Table): string {
  return table.schema.metadata.get('split') ?? ''
}
