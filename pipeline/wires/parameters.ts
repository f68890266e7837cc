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
import type { Affine, Arrays } from '../../kernels/contract.js'
import { PipelineError } from '../base/errors.js'
import { readAffine, writeAffine } from './affine.js'
import type { Column } from './columns.js'
import { numberOf, type Position, positionOf, reposition } from './position.js'

/** A model as a `parameters` wire carries it, with everything that is needed to use it. */
export interface Model {
  /** Name of the learner that made it. */
  readonly learner: string
  /** The learner's own options, such as its layers; empty if it has none. */
  readonly options: Readonly<Record<string, unknown>>
  /** Shape of one example. */
  readonly shape: readonly number[]
  /** Names of the features, if the data names them. */
  readonly names?: readonly string[] | undefined
  /** How the columns of the data became these features, if it had columns. */
  readonly columns?: readonly Column[] | undefined
  /** Name of the column of the labels, if the data names it. */
  readonly label?: string | undefined
  /** The numbers of the features as they were trained on; unknown in files of version 0.1.0. */
  readonly type?: 'uint8' | 'float32' | undefined
  /** Names of the classes, in the order of the scores. */
  readonly classes: readonly string[]
  /** The map `z = (x - mean) * scale` from features as loaded to the inputs of the learner, if there is one. */
  readonly affine?: Affine | undefined
  /** Weight of the penalty. */
  readonly lambda: number
  /** Weight of the penalty `Σ |W|`, if the cost has it. */
  readonly l1?: number | undefined
  /** What steps multiply the loss of a row by, for each class, if they do. */
  readonly classWeights?: readonly number[] | undefined
  /** The update rule, unless a step is plain gradient descent. */
  readonly update?: string | undefined
  /** Learning rate of the step that produced these parameters. */
  readonly eta: number
  /** What the masks of that step were drawn from, if it had any; see `Learner.masks`. */
  readonly draw?: number | undefined
  /** The arrays, in the order of the learner. */
  readonly arrays: readonly {
    readonly name: string
    readonly shape: readonly number[]
    /** Row-major. */
    readonly values: Float32Array | Float64Array
  }[]
}

/** Parameters that are trained on a device. Their tables show a copy of them in this process. */
export interface Mirror {
  /** The step whose parameters the copy has. */
  readonly step: number
  /** Copies the parameters as they are after the last step that was called. */
  refresh(): Promise<void>
  /** Asks for a copy at the next step. */
  want(): void
}

/** By the record batches of their tables. */
const mirrors = new WeakMap<Table['batches'], Mirror>()

/** Offsets of lists in Arrow tables are int32. */
const MOST_NUMBERS = 2 ** 31 - 1

/** The parts that all tables of one model share, by their record batches. */
const fixedParts = new WeakMap<Table['batches'], Omit<Model, 'eta' | 'draw'>>()

/**
 * Returns a function that makes tables of parameters over live memory: every table shows the arrays as they are *now*,
 * one record batch each. A stage that needs them later must copy them (`copyParameters`). Throws a TypeError if the
 * model does not name its learner, a RangeError if an array has 2³¹ numbers or more.
 *
 * @param mirror tells of which step the memory is, if it is a copy of what a device trains; `modelOf` gives no arrays of
 *   tables of other steps
 */
export function parametersTables(
  model: Omit<Model, 'eta' | 'draw'>,
  mirror?: Mirror,
): (position: Position, eta: number, step?: { readonly draw?: number; readonly gradientNorm?: number }) => Table {
  if (typeof model.learner !== 'string' || model.learner === '')
    throw new TypeError(
      'parametersTables: expected `learner`, the name of the learner that made the parameters, ' +
        `got ${JSON.stringify(model.learner)}`,
    )
  for (const { name, values } of model.arrays)
    if (values.length > MOST_NUMBERS)
      throw new RangeError(
        `parametersTables: the array "${name}" has ${values.length} numbers, a list of an Arrow table has ${MOST_NUMBERS} at most`,
      )
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
    // Called `model` since version 0.1.0.
    ['model', model.learner],
    ['features', model.shape.join('x')],
    ['classes', JSON.stringify(model.classes)],
    ['lambda', String(model.lambda)],
  ]
  const metadata = new Map(fixed)
  if (Object.keys(model.options).length > 0) metadata.set('options', JSON.stringify(model.options))
  if (model.update !== undefined) metadata.set('update', model.update)
  if (model.l1) metadata.set('l1', String(model.l1))
  if (model.classWeights) metadata.set('classWeights', JSON.stringify(model.classWeights))
  if (model.names) metadata.set('names', JSON.stringify(model.names))
  if (model.columns) metadata.set('columns', JSON.stringify(model.columns))
  if (model.label !== undefined) metadata.set('label', model.label)
  if (model.type !== undefined) metadata.set('type', model.type)
  writeAffine(metadata, 'affine', model.affine)
  const schema = new Schema(fields, metadata)
  const table = new Table(
    schema,
    parts.map((part) => new RecordBatch(schema, part)),
  )
  fixedParts.set(table.batches, model)
  if (mirror) mirrors.set(table.batches, mirror)
  return (position, eta, step) => reposition(table, position, { eta, ...step })
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

/** What `parameters` tables say of their step alone: the learning rate, and the random number (0: none). */
export const numbersOfStep: readonly string[] = ['eta', 'draw']

/** Whether the arrays of a table are in this process; if not, asks for those of the next step. */
export function hasArrays(table: Table): boolean {
  const mirror = mirrors.get(table.batches)
  if (!mirror || isOf(mirror, table)) return true
  mirror.want()
  return false
}

/**
 * Brings the arrays of a table into this process. Returns undefined if they are there already. The stage that makes the
 * parameters must wait meanwhile.
 */
export function broughtArrays(table: Table): Promise<void> | undefined {
  const mirror = mirrors.get(table.batches)
  return mirror && !isOf(mirror, table) ? mirror.refresh() : undefined
}

function isOf({ step }: Mirror, table: Table): boolean {
  return positionOf(table).step === step
}

/**
 * Reads a `parameters` table. The arrays are views of its memory, which the next step may change. Their access throws a
 * PipelineError `STAGE` if a device has them and nobody asked for those of this step (`Asked.arrays`).
 */
export function modelOf(table: Table): Model {
  let fixed = fixedParts.get(table.batches)
  if (!fixed) {
    const { metadata } = table.schema
    fixed = {
      learner: metadata.get('model') ?? '',
      options: JSON.parse(metadata.get('options') ?? '{}') as Record<string, unknown>,
      shape: (metadata.get('features') ?? '').split('x').map(Number),
      names: metadata.has('names') ? (JSON.parse(metadata.get('names')!) as string[]) : undefined,
      classes: JSON.parse(metadata.get('classes') ?? '[]') as string[],
      ...(metadata.has('columns') && { columns: JSON.parse(metadata.get('columns')!) as Column[] }),
      ...(metadata.has('label') && { label: metadata.get('label') }),
      ...(metadata.has('type') && { type: metadata.get('type') as 'uint8' }),
      affine: readAffine(metadata, 'affine'),
      lambda: numberOf(table, 'lambda'),
      ...(metadata.has('update') && { update: metadata.get('update') }),
      ...(metadata.has('l1') && { l1: numberOf(table, 'l1') }),
      ...(metadata.has('classWeights') && { classWeights: JSON.parse(metadata.get('classWeights')!) as number[] }),
      arrays: readArrays(table),
    }
    fixedParts.set(table.batches, fixed)
  }
  const draw = numberOf(table, 'draw')
  const model = { ...fixed, eta: numberOf(table, 'eta'), ...(draw > 0 && { draw }) }
  const mirror = mirrors.get(table.batches)
  return mirror ? withMirror(model, table, mirror) : model
}

/** The same model, whose arrays are given only if they are those of the table. */
function withMirror(model: Model, table: Table, mirror: Mirror): Model {
  const { arrays } = model
  return Object.defineProperty({ ...model }, 'arrays', {
    enumerable: true,
    get: () => {
      if (isOf(mirror, table)) return arrays
      throw new PipelineError(
        'STAGE',
        `the parameters of step ${positionOf(table).step} are on the device, and no stage has asked for them; a stage that ` +
          'reads them says so: asks: () => ({ parameters: { arrays: { steps: 1 } } })',
      )
    },
  })
}

function readArrays(table: Table): Model['arrays'] {
  const [names, shapes, values] = ['name', 'shape', 'values'].map((name) => table.getChild(name)!)
  return Array.from({ length: table.numRows }, (_, i) => ({
    name: String(names!.get(i)),
    shape: [...(shapes!.get(i) as Iterable<number>)],
    values: (values!.get(i) as Vector).data[0]!.values as Float32Array | Float64Array,
  }))
}

/**
 * The norm of the gradient of the step that made these parameters: of all trained arrays together, penalty included, before
 * clipping. Undefined if no stage asked for it at this step.
 */
export function gradientNormOf(table: Table): number | undefined {
  const norm = numberOf(table, 'gradientNorm', Number.NEGATIVE_INFINITY)
  return norm === Number.NEGATIVE_INFINITY ? undefined : norm
}

/** Returns the arrays of a model by name, as kernels and learners take them. */
export function arraysOf({ arrays }: Pick<Model, 'arrays'>): Arrays {
  return Object.fromEntries(arrays.map(({ name, values }) => [name, values]))
}

/** As `copyParameters`; waits for the arrays if a device has them. The stage must hold its input meanwhile. */
export function copyFromDevice(table: Table): Table | Promise<Table> {
  return broughtArrays(table)?.then(() => copyParameters(table)) ?? copyParameters(table)
}

/** Copies a table of parameters into new memory. */
export function copyParameters(table: Table): Table {
  const model = modelOf(table)
  const arrays = model.arrays.map((array) => ({ ...array, values: array.values.slice() }))
  return parametersTables({ ...model, arrays })(
    positionOf(table),
    model.eta,
    model.draw === undefined ? {} : { draw: model.draw },
  )
}
