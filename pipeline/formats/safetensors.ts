import { messageOf } from '../base/errors.js'
import { type Json, parseJson } from './json-maps.js'

/** The element types by their name in a file. */
const types = {
  U8: Uint8Array,
  I8: Int8Array,
  U16: Uint16Array,
  I16: Int16Array,
  U32: Uint32Array,
  I32: Int32Array,
  U64: BigUint64Array,
  I64: BigInt64Array,
  F32: Float32Array,
  F64: Float64Array,
} as const

type TypeName = keyof typeof types

/** An array of numbers. */
export interface Tensor {
  /** The extent of each dimension. `[]` is the shape of a scalar. */
  readonly shape: readonly number[]
  /** The numbers in row-major order, as many as the product of `shape`. */
  readonly values:
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Uint32Array
    | Int32Array
    | BigUint64Array
    | BigInt64Array
    | Float32Array
    | Float64Array
}

/** The largest header that the format allows, in bytes. */
const MAX_HEADER = 100_000_000

/** The largest file, in bytes: the longest array of the oldest version of Node that runs Millrace. */
export const MOST_BYTES = 2 ** 32

const METADATA = '__metadata__'

/**
 * Encodes tensors as a safetensors file (format: https://github.com/huggingface/safetensors). It has the length of the
 * header as a little-endian u64, the header as JSON, padded with spaces to a multiple of 8 bytes, and the numbers,
 * without gaps. The header lists metadata and tensors in the order given. The numbers are sorted by element size, the
 * largest first, so that each tensor is aligned. The same input gives the same bytes.
 *
 * Throws an Error if a shape does not fit its values, if a name is reserved by the format, or if the file would have more
 * than 4 GiB.
 */
export function encodeTensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array {
  const offsets = new Map<string, readonly [number, number]>()
  let size = 0
  const bySize = [...tensors].sort(([, a], [, b]) => b.values.BYTES_PER_ELEMENT - a.values.BYTES_PER_ELEMENT)
  for (const [name, { values }] of bySize) {
    offsets.set(name, [size, size + values.byteLength])
    size += values.byteLength
  }

  // The JSON is built by hand, because an object would list names such as "0" first.
  const entries = [...tensors].map(([name, { shape, values }]) => {
    checkName(name)
    if (countOf(shape, name) !== values.length)
      throw new Error(`${quoted(name)}: its shape [${shape}] does not hold ${values.length} values`)
    return `${quoted(name)}:${JSON.stringify({ dtype: typeOf(values), shape, data_offsets: offsets.get(name) })}`
  })
  const pairs = [...metadata].map(([key, value]) => `${quoted(key)}:${quoted(value)}`)
  if (pairs.length > 0) entries.unshift(`"${METADATA}":{${pairs}}`)
  const header = new TextEncoder().encode(`{${entries}}`)
  const padded = Math.ceil(header.length / 8) * 8
  if (padded > MAX_HEADER) throw new Error(`the header has ${padded} bytes, at most ${MAX_HEADER} are allowed`)

  if (8 + padded + size > MOST_BYTES)
    throw new Error(`the arrays take ${size} bytes, a file of them has ${MOST_BYTES} at most`)
  const bytes = new Uint8Array(8 + padded + size)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(header, 8)
  bytes.fill(0x20, 8 + header.length, 8 + padded)
  for (const [name, { values }] of tensors)
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 8 + padded + offsets.get(name)![0])
  return bytes
}

/**
 * Decodes a safetensors file, which may be damaged or hostile: everything is checked before it is used, and it takes no
 * more memory than the file has. The values are copies. Throws an Error that says what is wrong with the file.
 */
export function decodeTensors(bytes: Uint8Array): { tensors: Map<string, Tensor>; metadata: Map<string, string> } {
  const header = headerOf(bytes)
  const data = bytes.subarray(8 + header.size)
  const metadata = metadataOf(header.fields.get(METADATA))
  const entries = [...header.fields].filter(([name]) => name !== METADATA).map(([name, field]) => entryOf(name, field))
  checkCover(entries, data.length)
  const tensors = new Map<string, Tensor>()
  for (const { name, type, shape, start, end } of entries) {
    const copy = new Uint8Array(end - start)
    copy.set(data.subarray(start, end))
    tensors.set(name, { shape, values: new types[type](copy.buffer) })
  }
  return { tensors, metadata }
}

/** An entry of the header. The numbers lie from byte `start` to byte `end`, exclusive, after the header. */
interface Entry {
  readonly name: string
  readonly type: TypeName
  readonly shape: readonly number[]
  readonly start: number
  readonly end: number
}

/** Decodes the header. `size` is its length in bytes, with padding. */
function headerOf(bytes: Uint8Array): { size: number; fields: ReadonlyMap<string, Json> } {
  if (bytes.length < 8) throw new Error(`the file is cut off: ${bytes.length} bytes, expected at least 8`)
  const size = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true)
  if (size > MAX_HEADER) throw new Error(`the header claims ${size} bytes, at most ${MAX_HEADER} are allowed`)
  if (size > bytes.length - 8)
    throw new Error(`the file is cut off: the header claims ${size} bytes, ${bytes.length - 8} are there`)
  let fields: Json
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, 8 + Number(size)))
    fields = parseJson(text, 3)
  } catch (error) {
    throw new Error(`the header is damaged: ${messageOf(error)}`, { cause: error })
  }
  if (!(fields instanceof Map)) throw new Error('the header is damaged: expected an object')
  return { size: Number(size), fields }
}

/** Checks the metadata, which must be texts. */
function metadataOf(field: Json | undefined): Map<string, string> {
  if (field === undefined) return new Map()
  if (!(field instanceof Map)) throw new Error(`${METADATA}: expected an object`)
  for (const [key, value] of field as ReadonlyMap<string, Json>)
    if (typeof value !== 'string') throw new Error(`${METADATA}: ${quoted(key)}: expected a string`)
  return new Map(field as ReadonlyMap<string, string>)
}

/** Checks the entry of one tensor. */
function entryOf(name: string, field: Json): Entry {
  checkName(name)
  const fields: ReadonlyMap<string, Json> = field instanceof Map ? field : new Map()
  const [type, shape, offsets] = ['dtype', 'shape', 'data_offsets'].map((key) => fields.get(key))
  if (fields.size !== 3 || !isCounts(shape) || !isCounts(offsets) || offsets.length !== 2)
    throw new Error(`${quoted(name)}: expected an object of dtype, shape and data_offsets`)
  if (typeof type !== 'string' || !Object.hasOwn(types, type))
    throw new Error(
      `${quoted(name)}: numbers of type ${JSON.stringify(type)} cannot be read; ` +
        `known are ${Object.keys(types).join(', ')}`,
    )
  const [start, end] = offsets as [number, number]
  const expected = countOf(shape, name) * types[type as TypeName].BYTES_PER_ELEMENT
  if (end - start !== expected)
    throw new Error(
      `${quoted(name)}: ${type} in shape [${shape}] takes ${expected} bytes, its offsets ${start} … ${end}`,
    )
  return { name, type: type as TypeName, shape, start, end }
}

/** Checks that the tensors cover the data completely and without overlap, as the format demands. */
function checkCover(entries: readonly Entry[], size: number): void {
  let end = 0
  for (const entry of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end)
      throw new Error(`${quoted(entry.name)}: starts at byte ${entry.start} of the numbers, expected ${end}`)
    end = entry.end
  }
  if (end > size) throw new Error(`the file is cut off: the tensors take ${end} bytes, ${size} are there`)
  if (end < size) throw new Error(`expected no bytes after the last tensor, got ${size - end}`)
}

/** Refuses reserved names, and one with a special meaning in JavaScript objects. */
function checkName(name: string): void {
  if (name === METADATA || name === '__proto__') throw new Error(`no tensor can have the name ${quoted(name)}`)
}

/** Whether a value is a list of non-negative integers. */
function isCounts(value: Json | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0)
}

/** The number of elements of a shape. Throws an Error if it is negative or too large. */
function countOf(shape: readonly number[], name: string): number {
  let count = 1
  for (const extent of shape) {
    count *= extent
    if (!(Number.isSafeInteger(count * 8) && count >= 0))
      throw new Error(`${quoted(name)}: no tensor can have the shape [${shape.slice(0, 8)}]`)
  }
  return count
}

function typeOf(values: Tensor['values']): TypeName {
  return (Object.keys(types) as TypeName[]).find((name) => values instanceof types[name])!
}

function quoted(name: string): string {
  return JSON.stringify(name)
}
