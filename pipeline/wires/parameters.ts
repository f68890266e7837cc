import {
  type Data,
  Field,
  Float32,
  Float64,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import type { Parameters } from '../../kernels/contract.js'
import { numberOf, type Position, positionOf, reposition } from './position.js'

/** A model as a `parameters` wire carries it. */
export interface Model {
  readonly model: string
  readonly shape: readonly number[]
  readonly classes: readonly string[]
  readonly lambda: number
  /** The step size of the step that led here. */
  readonly eta: number
  readonly arrays: readonly {
    readonly name: string
    readonly shape: readonly number[]
    readonly values: Float32Array | Float64Array
  }[]
}

/** What is known of tables by the batches that they share. */
const fixedParts = new WeakMap<Table['batches'], Omit<Model, 'eta'>>()

/**
 * Prepares tables of parameters over live memory: every table shows the arrays as they are *now*, one record batch
 * each. Who needs them beyond the moment of arrival takes `copyParameters`.
 */
export function parametersTables(model: Omit<Model, 'eta'>): (position: Position, eta: number) => Table {
  const number = model.arrays[0]?.values instanceof Float64Array ? new Float64() : new Float32()
  const shapes = new List(new Field('item', new Int32(), false))
  const values = new List(new Field('item', number as Float32, false))
  const fields = [
    new Field('name', new Utf8(), false),
    new Field('shape', shapes, false),
    new Field('values', values, false),
  ]
  const parts = model.arrays.map((array) =>
    makeData({
      type: new Struct(fields),
      length: 1,
      nullCount: 0,
      children: [
        vectorFromArray([array.name], new Utf8()).data[0]!,
        listData(shapes, Int32Array.from(array.shape)),
        listData(values, array.values as Float32Array),
      ],
    }),
  )
  const fixed: [string, string][] = [
    ['wire', 'parameters'],
    ['model', model.model],
    ['features', model.shape.join('x')],
    ['classes', JSON.stringify(model.classes)],
    ['lambda', String(model.lambda)],
  ]
  const schema = new Schema(fields, new Map(fixed))
  const table = new Table(
    schema,
    parts.map((part) => new RecordBatch(schema, part)),
  )
  fixedParts.set(table.batches, model)
  return (position, eta) => reposition(table, position, { eta })
}

/** A list column of one row over memory that is not copied. */
function listData<T extends Int32 | Float32>(type: List<T>, values: T['TArray']): Data<List<T>> {
  return makeData({
    type,
    length: 1,
    nullCount: 0,
    valueOffsets: Int32Array.of(0, values.length),
    child: makeData({
      type: type.valueType as Int32,
      data: values as Int32Array,
      length: values.length,
      nullCount: 0,
    }) as unknown as Data<T>,
  })
}

/** Reads a `parameters` table; the arrays are views of its memory, which the next step may change. */
export function modelOf(table: Table): Model {
  let fixed = fixedParts.get(table.batches)
  if (!fixed) {
    const { metadata } = table.schema
    fixed = {
      model: metadata.get('model') ?? '',
      shape: (metadata.get('features') ?? '').split('x').map(Number),
      classes: JSON.parse(metadata.get('classes') ?? '[]') as string[],
      lambda: numberOf(table, 'lambda'),
      arrays: arraysOf(table),
    }
    fixedParts.set(table.batches, fixed)
  }
  return { ...fixed, eta: numberOf(table, 'eta') }
}

function arraysOf(table: Table): Model['arrays'] {
  const [names, shapes, values] = ['name', 'shape', 'values'].map((name) => table.getChild(name)!)
  return Array.from({ length: table.numRows }, (_, i) => ({
    name: String(names!.get(i)),
    shape: [...(shapes!.get(i) as Iterable<number>)],
    values: (values!.get(i) as Vector).data[0]!.values as Float32Array | Float64Array,
  }))
}

/** The arrays `W` and `b` of a softmax model. Throws where the table holds another model. */
export function softmaxParameters(model: Model): Parameters {
  const [W, b] = ['W', 'b'].map((name) => model.arrays.find((array) => array.name === name)?.values)
  if (!W || !b)
    throw new Error(
      `expected a softmax model with the arrays W and b, got ${model.arrays.map((a) => a.name).join(', ')}`,
    )
  return { W, b }
}

/** A table of parameters with memory of its own. */
export function copyParameters(table: Table): Table {
  const model = modelOf(table)
  const arrays = model.arrays.map((array) => ({ ...array, values: array.values.slice() }))
  return parametersTables({ ...model, arrays })(positionOf(table), model.eta)
}
