import {
  type Data,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromArrays,
  Uint8,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import ndarray from 'ndarray'
import type { Affine, Parameters, Rows } from '../kernels/index.js'

/** What kind of table a wire carries. */
export type WireType = 'examples' | 'batch' | 'parameters' | 'metrics' | 'gradient-check' | 'any'

/** Where in the run a table belongs; written to the metadata of its schema. */
export interface Position {
  readonly epoch: number
  /** Steps done since the run began, this one included. */
  readonly step: number
  /** Epochs of the whole run, and steps of one epoch. */
  readonly epochs: number
  readonly steps: number
}

/** What the rows of a table are: fixed for a split, and shared by all tables cut from it. */
export interface ExamplesLayout {
  /** Shape of one example, slowest axis first: `[3, 32, 32]`. */
  readonly shape: readonly number[]
  /** Names of the classes; a label is an index into them. */
  readonly classes: readonly string[]
  /** Standardisation still to be applied to uint8 features. */
  readonly affine?: Affine | undefined
}

type Values = Uint8Array | Float32Array

const features = 'features'
const label = 'label'
const layouts = new WeakMap<Field, ExamplesLayout>()

/** The fields of an `examples` or `batch` table; make them once and share them, their metadata can be long. */
export function exampleFields(layout: ExamplesLayout, values: Values): [Field, Field] {
  const width = layout.shape.reduce((product, size) => product * size, 1)
  const type = values instanceof Uint8Array ? new Uint8() : new Float32()
  const metadata = new Map([['shape', layout.shape.join('x')]])
  if (layout.affine) {
    metadata.set('affine.mean', JSON.stringify([...layout.affine.mean]))
    metadata.set('affine.scale', JSON.stringify([...layout.affine.scale]))
  }
  const field = new Field(features, new FixedSizeList(width, new Field('item', type, false)), false, metadata)
  layouts.set(field, layout)
  return [field, new Field(label, new Int32(), false, new Map([['classes', JSON.stringify(layout.classes)]]))]
}

/**
 * A table of examples over memory that is not copied.
 *
 * @param values row-major, `[rows, features]`
 * @param labels one class index per row
 */
export function examplesTable(
  fields: readonly [Field, Field],
  values: Values,
  labels: Int32Array,
  split: string,
  position?: Position,
): Table {
  const [featuresField, labelField] = fields
  const metadata = new Map([
    ['wire', position ? 'batch' : 'examples'],
    ['split', split],
  ])
  if (position) writePosition(metadata, position)
  const list = featuresField.type as FixedSizeList
  const length = labels.length
  const data = makeData({
    type: new Struct([featuresField, labelField]),
    length,
    nullCount: 0,
    children: [
      makeData({
        type: list,
        length,
        nullCount: 0,
        child: makeData({ type: list.valueType as Uint8, length: values.length, nullCount: 0, data: values as Uint8Array }),
      }),
      makeData({ type: new Int32(), length, nullCount: 0, data: labels }),
    ],
  })
  const schema = new Schema([featuresField, labelField], metadata)
  return new Table(schema, [new RecordBatch(schema, data)])
}

/** The same rows at another position: nothing is copied. */
export function reposition(table: Table, position: Position): Table {
  const schema = new Schema(table.schema.fields, writePosition(new Map(table.schema.metadata), position))
  return new Table(
    schema,
    table.batches.map((batch) => new RecordBatch(schema, batch.data)),
  )
}

/** The fields of an examples table, to make others of the same layout with. */
export function fieldsOf(table: Table): [Field, Field] {
  const fields = [features, label].map((name) => table.schema.fields.find((field) => field.name === name))
  if (!fields[0] || !fields[1])
    throw new Error(
      `expected a table with the columns features and label, found ${table.schema.names.join(', ') || 'no columns'}`,
    )
  return fields as [Field, Field]
}

export function layoutOf(table: Table): ExamplesLayout {
  const [field, labelField] = fieldsOf(table)
  const known = layouts.get(field)
  if (known) return known
  const read = (key: string): unknown => JSON.parse(field.metadata.get(key) ?? 'null')
  const mean = read('affine.mean') as number[] | null
  const scale = read('affine.scale') as number[] | null
  const width = (field.type as FixedSizeList).listSize
  const layout = {
    shape: field.metadata.get('shape')?.split('x').map(Number) ?? [width],
    classes: JSON.parse(labelField.metadata.get('classes') ?? '[]') as string[],
    affine: mean && scale ? { mean: Float64Array.from(mean), scale: Float64Array.from(scale) } : undefined,
  }
  layouts.set(field, layout)
  return layout
}

/** The rows of a table as kernels read them: views, not copies (a table of several chunks is joined first). */
export function rowsOf(table: Table): Rows {
  const { affine } = layoutOf(table)
  const [list, labels] = [table.getChild(features)!, table.getChild(label)!]
  if (list.data.length === 1) {
    const data = list.data[0]!
    const width = (data.type as FixedSizeList).listSize
    const values = data.children[0]!.values as Values
    return {
      values: values.length === data.length * width ? values : values.subarray(0, data.length * width),
      labels: (labels.data[0]!.values as Int32Array).subarray(0, data.length),
      affine,
    }
  }
  const width = (list.type as FixedSizeList).listSize
  const isBytes = (list.type as FixedSizeList).valueType instanceof Uint8
  const values: Values = isBytes ? new Uint8Array(table.numRows * width) : new Float32Array(table.numRows * width)
  let at = 0
  for (const data of list.data) {
    const part = data.children[0]!.values as Values
    values.set(part.subarray(0, data.length * width), at)
    at += data.length * width
  }
  return { values, labels: labels.toArray() as Int32Array, affine }
}

/** Features as an ndarray `[rows, features]` over the same memory (before any affine map). */
export function featuresView(table: Table): ndarray.NdArray<Values> {
  const { values, labels } = rowsOf(table)
  return ndarray(values, [labels.length, labels.length === 0 ? 0 : values.length / labels.length])
}

export function splitOf(table: Table): string {
  return table.schema.metadata.get('split') ?? ''
}

function writePosition(metadata: Map<string, string>, position: Position): Map<string, string> {
  metadata.set('epoch', String(position.epoch))
  metadata.set('step', String(position.step))
  metadata.set('epochs', String(position.epochs))
  return metadata.set('steps', String(position.steps))
}

export function positionOf(table: Table): Position {
  const read = (key: string): number => Number(table.schema.metadata.get(key) ?? 0)
  return { epoch: read('epoch'), step: read('step'), epochs: read('epochs'), steps: read('steps') }
}

/** True for the last step of an epoch. */
export function endsEpoch({ step, steps }: Position): boolean {
  return steps > 0 && step > 0 && step % steps === 0
}

/** A model as a `parameters` wire carries it. */
export interface Model {
  readonly model: string
  readonly shape: readonly number[]
  readonly classes: readonly string[]
  readonly lambda: number
  /** The step size of the step that led here. */
  readonly eta: number
  readonly arrays: readonly { readonly name: string; readonly shape: readonly number[]; readonly values: Float32Array | Float64Array }[]
}

/**
 * Prepares tables of parameters over live memory: every table shows the arrays as they are *now*, one record batch
 * each. Who needs them beyond the moment of arrival takes `copyParameters`.
 */
export function parametersTables(model: Omit<Model, 'eta'>): (position: Position, eta: number) => Table {
  const number = model.arrays[0]?.values instanceof Float64Array ? new Float64() : new Float32()
  const shapes = new List(new Field('item', new Int32(), false))
  const values = new List(new Field('item', number as Float32, false))
  const fields = [new Field('name', new Utf8(), false), new Field('shape', shapes, false), new Field('values', values, false)]
  const parts = model.arrays.map((array) =>
    makeData({
      type: new Struct(fields),
      length: 1,
      nullCount: 0,
      children: [vectorFromArray([array.name], new Utf8()).data[0]!, listData(shapes, Int32Array.from(array.shape)), listData(values, array.values as Float32Array)],
    }),
  )
  const fixed: [string, string][] = [
    ['wire', 'parameters'],
    ['model', model.model],
    ['features', model.shape.join('x')],
    ['classes', JSON.stringify(model.classes)],
    ['lambda', String(model.lambda)],
  ]
  return (position, eta) => {
    const schema = new Schema(fields, writePosition(new Map(fixed), position).set('eta', String(eta)))
    return new Table(
      schema,
      parts.map((part) => new RecordBatch(schema, part)),
    )
  }
}

/** A list column of one row over memory that is not copied. */
function listData<T extends Int32 | Float32>(type: List<T>, values: T['TArray']): Data<List<T>> {
  return makeData({
    type,
    length: 1,
    nullCount: 0,
    valueOffsets: Int32Array.of(0, values.length),
    child: makeData({ type: type.valueType as Int32, data: values as Int32Array, length: values.length, nullCount: 0 }) as unknown as Data<T>,
  })
}

/** Reads a `parameters` table; the arrays are views of its memory, which the next step may change. */
export function modelOf(table: Table): Model {
  const { metadata } = table.schema
  const [names, shapes, values] = ['name', 'shape', 'values'].map((name) => table.getChild(name)!)
  return {
    model: metadata.get('model') ?? '',
    shape: (metadata.get('features') ?? '').split('x').map(Number),
    classes: JSON.parse(metadata.get('classes') ?? '[]') as string[],
    lambda: Number(metadata.get('lambda') ?? 0),
    eta: Number(metadata.get('eta') ?? 0),
    arrays: Array.from({ length: table.numRows }, (_, i) => ({
      name: String(names!.get(i)),
      shape: [...(shapes!.get(i) as Iterable<number>)],
      values: (values!.get(i) as Vector).data[0]!.values as Float32Array | Float64Array,
    })),
  }
}

/** The arrays `W` and `b` of a softmax model. Throws where the table holds another model. */
export function softmaxParameters(model: Model): Parameters {
  const [W, b] = ['W', 'b'].map((name) => model.arrays.find((array) => array.name === name)?.values)
  if (!W || !b) throw new Error(`expected a softmax model with the arrays W and b, got ${model.arrays.map((a) => a.name).join(', ')}`)
  return { W, b }
}

/** A table of parameters with memory of its own. */
export function copyParameters(table: Table): Table {
  const model = modelOf(table)
  const arrays = model.arrays.map((array) => ({ ...array, values: array.values.slice() }))
  return parametersTables({ ...model, arrays })(positionOf(table), model.eta)
}

/** One evaluation: `epoch`, `step`, then one number per metric. */
export type MetricsRow = { readonly epoch: number; readonly step: number } & Readonly<Record<string, number>>

export function metricsTable(position: Position, metrics: Readonly<Record<string, number>>): Table {
  const columns = Object.entries(metrics).map(([name, value]): [string, Float64Array] => [name, Float64Array.of(value)])
  const made = tableFromArrays({
    epoch: Int32Array.of(position.epoch),
    step: Int32Array.of(position.step),
    ...Object.fromEntries(columns),
  })
  const fields = made.schema.fields.map((field) => new Field(field.name, field.type, false))
  const schema = new Schema(fields, writePosition(new Map([['wire', 'metrics']]), position))
  return new Table(
    schema,
    made.batches.map((batch) => new RecordBatch(schema, batch.data)),
  )
}

/** The rows of a `metrics` table as objects, columns in their order. */
export function metricsRows(table: Table): MetricsRow[] {
  return Array.from({ length: table.numRows }, (_, i) =>
    Object.fromEntries(table.schema.names.map((name) => [name, Number(table.getChild(name)!.get(i))])),
  ) as MetricsRow[]
}
