import { join } from 'node:path'
import { DataType, type Table } from 'apache-arrow'
import { z } from 'zod'
import { widthOf } from '../../kernels/network-shape.js'
import { fileProblem, messageOf, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { readInside } from '../files/inside.js'
import { readRegularFile } from '../files/regular-file.js'
import { type Column, column, featuresOfColumn } from '../wires/columns.js'
import { type Model, modelOf } from '../wires/parameters.js'
import { positionOf } from '../wires/position.js'
import { tableFromFile } from './ipc.js'
import { npyOfNumbers, npyOfTexts } from './npy.js'
import { encodeTensors, type Tensor } from './safetensors.js'
import { zipFiles } from './zip.js'

/** The formats that parameters can be exported to; the name is the ending of the file, too. */
export const exportFormats = ['safetensors', 'npz'] as const

/** The name of an export format. */
export type ExportFormat = (typeof exportFormats)[number]

/** Largest file of parameters that is read, in bytes. Those of a classifier are far smaller. */
export const MOST_PARAMETERS = 1 << 30

/** The zip format has offsets of 32 bits. The rest is for its directory. */
const MOST_ZIPPED = 2 ** 32 - 2 ** 20

/**
 * Reads a file of parameters that `sink/parameters` or `sink/best` wrote. Throws a PipelineError `DATA` if the file
 * cannot be read, is damaged, or holds something else.
 */
export function readParameters(file: string): Table {
  return parametersOf(file, () => readRegularFile(file, MOST_PARAMETERS))
}

/** Does the same for a file of a run directory, in which symbolic links are not followed. */
export function readParametersInside(directory: string, name: string): Table {
  return parametersOf(join(directory, name), () => readInside(directory, name, MOST_PARAMETERS))
}

function parametersOf(file: string, read: () => Buffer): Table {
  let bytes: Buffer
  try {
    bytes = read()
  } catch (error) {
    throw new PipelineError('DATA', fileProblem('read', shortPath(file), error), { cause: error })
  }
  return parametersFrom(bytes, file)
}

/** Does the same for the bytes of a file that has been read. */
export function parametersFrom(bytes: Buffer, file: string): Table {
  try {
    const table = tableFromFile(bytes)
    check(table)
    return table
  } catch (error) {
    // The messages of the Arrow reader for damaged files do not help users, so we replace them.
    const isDamaged = error instanceof TypeError || error instanceof RangeError
    const reason = isDamaged ? 'it is a damaged Arrow file' : messageOf(error)
    throw new PipelineError('DATA', `${shortPath(file)} does not hold parameters: ${reason}`, {
      cause: error,
    })
  }
}

/**
 * Encodes a `parameters` table as the bytes of a file. The same table gives the same bytes. `millrace` is the version
 * that trained the parameters.
 *
 * - `safetensors`: the arrays as tensors. Its metadata has model (the learner's name), features (the shape of an
 *   example), classes (as JSON), lambda, eta, epoch, step and millrace.
 * - `npz`: all of these as arrays: `np.load(file)['W']`, `['classes']`, `['epoch']`; no pickles.
 *
 * If the inputs are standardised, both formats hold the map from raw features: `mean` and `scale` (float64, one number
 * per feature), `z = (x - mean) * scale`. They hold `feature_names` and `options` (of the learner, as JSON) if there
 * are any.
 *
 * Throws a PipelineError `DATA` if the format does not allow the name of an array.
 */
export function exportParameters(table: Table, format: ExportFormat, millrace?: string): Uint8Array {
  const model = modelOf(table)
  try {
    return format === 'npz' ? npzOf(table, model, millrace) : safetensorsOf(table, model, millrace)
  } catch (error) {
    throw new PipelineError('DATA', `the parameters cannot be written as ${format}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

function safetensorsOf(table: Table, model: Model, millrace: string | undefined): Uint8Array {
  const { epoch, step } = positionOf(table)
  return encodeTensors(
    new Map<string, Tensor>([
      ...model.arrays.map(({ name, shape, values }): [string, Tensor] => [name, { shape, values }]),
      ...inputMap(model),
    ]),
    new Map([
      ['model', model.learner],
      ['features', model.shape.join('x')],
      ['classes', JSON.stringify(model.classes)],
      ['lambda', String(model.lambda)],
      ['eta', String(model.eta)],
      ['epoch', String(epoch)],
      ['step', String(step)],
      ...optionsOf(model),
      ...(model.names ? ([['feature_names', JSON.stringify(model.names)]] as const) : []),
      ...(millrace === undefined ? [] : ([['millrace', millrace]] as const)),
    ]),
  )
}

function npzOf(table: Table, model: Model, millrace: string | undefined): Uint8Array {
  const { epoch, step } = positionOf(table)
  const about: [string, Uint8Array][] = [
    ['model', npyOfTexts([model.learner], [])],
    ['features', npyOfNumbers(BigInt64Array.from(model.shape, BigInt), [model.shape.length])],
    ['classes', npyOfTexts(model.classes)],
    ['lambda', npyOfNumbers(Float64Array.of(model.lambda), [])],
    ['eta', npyOfNumbers(Float64Array.of(model.eta), [])],
    ['epoch', npyOfNumbers(BigInt64Array.of(BigInt(epoch)), [])],
    ['step', npyOfNumbers(BigInt64Array.of(BigInt(step)), [])],
    ...optionsOf(model).map(([name, text]): [string, Uint8Array] => [name, npyOfTexts([text], [])]),
    ...(model.names ? ([['feature_names', npyOfTexts(model.names)]] as [string, Uint8Array][]) : []),
    ...(millrace === undefined ? [] : ([['millrace', npyOfTexts([millrace], [])]] as [string, Uint8Array][])),
  ]
  const taken = new Set(['__proto__', ...about.map(([name]) => name)])
  for (const { name } of model.arrays)
    if (taken.has(name)) throw new Error(`no array can have the name ${JSON.stringify(name)}`)
  const arrays = [
    ...model.arrays.map(({ name, shape, values }): [string, Uint8Array] => [name, npyOfNumbers(values, shape)]),
    ...inputMap(model).map(([name, { shape, values }]): [string, Uint8Array] => [name, npyOfNumbers(values, shape)]),
  ]
  const files = [...arrays, ...about].map(([name, bytes]): [string, Uint8Array] => [`${name}.npy`, bytes])
  const total = files.reduce((sum, [, bytes]) => sum + bytes.length, 0)
  if (total > MOST_ZIPPED) throw new Error(`its arrays take ${total} bytes, a zip file holds ${MOST_ZIPPED} at most`)
  // A zip knows local times only, from 1980 on.
  return zipFiles().zipSync(Object.fromEntries(files), { level: 0, mtime: new Date(1980, 0, 1) })
}

/** The standardisation of the inputs as two arrays of one number per feature: `z = (x - mean) * scale`. */
function inputMap({ affine, arrays }: Model): [name: 'mean' | 'scale', values: NumberArray][] {
  for (const { name } of arrays)
    if (name === 'mean' || name === 'scale') throw new Error(`no array can have the name ${JSON.stringify(name)}`)
  if (!affine) return []
  const shape = [affine.mean.length]
  return [
    ['mean', { shape, values: affine.mean }],
    ['scale', { shape, values: affine.scale }],
  ]
}

interface NumberArray {
  readonly shape: readonly number[]
  readonly values: Float64Array
}

/** The learner's options as JSON. The list is empty if the learner has none. */
function optionsOf({ options }: Model): ['options', string][] {
  return Object.keys(options).length > 0 ? [['options', JSON.stringify(options)]] : []
}

/** Throws an Error if a table that was read from a file breaks an assumption of `modelOf`. */
function check(table: Table): void {
  const wire = table.schema.metadata.get('wire')
  if (wire !== 'parameters')
    throw new Error(`expected a table of the wire "parameters", got ${wire ? `"${wire}"` : 'another table or nothing'}`)
  const [name, shapes, values] = ['name', 'shape', 'values'].map((name) => table.getChild(name)?.type)
  const isRight =
    DataType.isUtf8(name) &&
    [shapes, values].every(DataType.isList) &&
    DataType.isInt(shapes?.children[0].type) &&
    DataType.isFloat(values?.children[0].type)
  if (!isRight) throw new Error('expected the columns name, shape and values')
  const { arrays, classes, shape, names: features, columns, type, affine, lambda, eta } = modelOf(table)
  const { epoch, step } = positionOf(table)
  const names = new Set(arrays.map(({ name }) => name))
  if (arrays.length === 0) throw new Error('it has no arrays')
  if (names.size < arrays.length) throw new Error('two arrays have the same name')
  if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string'))
    throw new Error('the classes are damaged')
  if (![...shape, epoch, step].every((count) => Number.isSafeInteger(count) && count >= 0))
    throw new Error('the metadata is damaged')
  if (![lambda, eta].every(Number.isFinite)) throw new Error('the metadata is damaged')
  const width = widthOf(shape)
  if (
    features &&
    !(Array.isArray(features) && features.length === width && features.every((name) => typeof name === 'string'))
  )
    throw new Error(`expected ${width} feature names`)
  if (columns && !areColumns(columns, width)) throw new Error(`expected columns that make ${width} features`)
  if (type !== undefined && type !== 'uint8' && type !== 'float32') throw new Error('the metadata is damaged')
  if (affine && !(affine.mean.length === width && affine.scale.length === width))
    throw new Error(`expected a standardisation of ${width} features`)
  for (const { name, shape, values } of arrays) {
    if (!(values instanceof Float32Array || values instanceof Float64Array))
      throw new Error(`the array "${name}" does not hold floating-point numbers`)
    if (widthOf(shape) !== values.length)
      throw new Error(`the array "${name}" of shape [${shape}] has ${values.length} numbers`)
  }
}

function areColumns(columns: readonly Column[], width: number): boolean {
  const checked = z.array(column).safeParse(columns)
  return checked.success && checked.data.reduce((sum, each) => sum + featuresOfColumn(each), 0) === width
}
