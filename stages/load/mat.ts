import { promisify } from 'node:util'
import { inflate } from 'node:zlib'

/** An array of a MATLAB file. */
export interface MatArray {
  /** Extents: MATLAB has two or more. */
  readonly shape: readonly number[]
  /** The numbers, first axis fastest, or the code units of a text; undefined for cells, structures and objects. */
  readonly values: ArrayLike<number> | undefined
}

/** Types of data (MAT-File Format, table 1-1): the bytes of a number, and how it is read. */
const TYPES = new Map<number, { readonly size: number; read(view: DataView, isLittle: boolean): ArrayLike<number> }>([
  [1, { size: 1, read: ({ buffer, byteOffset, byteLength }) => new Int8Array(buffer, byteOffset, byteLength) }],
  [2, { size: 1, read: bytesOf }],
  [3, { size: 2, read: numbers(2, (view, at, isLittle) => view.getInt16(at, isLittle)) }],
  [4, { size: 2, read: numbers(2, (view, at, isLittle) => view.getUint16(at, isLittle)) }],
  [5, { size: 4, read: numbers(4, (view, at, isLittle) => view.getInt32(at, isLittle)) }],
  [6, { size: 4, read: numbers(4, (view, at, isLittle) => view.getUint32(at, isLittle)) }],
  [7, { size: 4, read: numbers(4, (view, at, isLittle) => view.getFloat32(at, isLittle)) }],
  [9, { size: 8, read: numbers(8, (view, at, isLittle) => view.getFloat64(at, isLittle)) }],
  [16, { size: 1, read: bytesOf }],
  [17, { size: 2, read: numbers(2, (view, at, isLittle) => view.getUint16(at, isLittle)) }],
])

/** The types of elements that hold an array, and a packed element. */
const [MATRIX, COMPRESSED] = [14, 15]

/** Classes of arrays whose data is numbers or characters (table 1-3). */
const isPlain = (classOf: number) => classOf === 4 || (classOf >= 6 && classOf <= 13)

/** The most bytes that packed arrays have together when they are unpacked. */
const MOST_UNPACKED = 1 << 30

/** The most arrays that are read. */
const MOST_ARRAYS = 1000

const unpack = promisify(inflate) as (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>

/** Whether a file that begins with these bytes is a MATLAB file of version 5 to 7.3. */
export function isMat(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 7)).toString('latin1') === 'MATLAB '
}

/**
 * Reads the arrays of a MATLAB file of level 5 (versions 5 to 7: MathWorks, MAT-File Format, 2023), by name. Rejects with an
 * Error, without the path, if it is damaged or of version 7.3.
 */
export async function readMat(bytes: Uint8Array): Promise<Map<string, MatArray>> {
  if (!isMat(bytes)) throw new Error('expected a MATLAB file, which begins with "MATLAB "')
  if (bytes.length < 128) throw new Error('it ends within its header; it is cut off')
  const order = Buffer.from(bytes.subarray(126, 128)).toString('latin1')
  const isLittle = order === 'IM'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if ((!isLittle && order !== 'MI') || view.getUint16(124, isLittle) !== 0x0100)
    throw new Error('it is of version 7.3, or damaged; save it in MATLAB with the option -v7')
  const arrays = new Map<string, MatArray>()
  let unpacked = 0
  let count = 0
  for (const element of elementsOf(view, 128, isLittle)) {
    if (++count > MOST_ARRAYS) throw new Error(`it has more than ${MOST_ARRAYS} arrays`)
    let matrix: Element | undefined = element
    if (element.type === COMPRESSED) {
      const packed = new Uint8Array(element.data.buffer, element.data.byteOffset, element.data.byteLength)
      const plain = await unpack(packed, { maxOutputLength: MOST_UNPACKED - unpacked }).catch(() => {
        throw new Error('a packed array is damaged, or has more than 1 GiB')
      })
      unpacked += plain.length
      const { value } = elementsOf(viewOf(plain), 0, isLittle).next()
      matrix = value ?? undefined
    }
    if (matrix?.type !== MATRIX) throw new Error(`expected an array, found an element of the type ${matrix?.type}`)
    const [name, array] = arrayOf(matrix.data, isLittle)
    arrays.set(name, array)
  }
  return arrays
}

/** One element: its type and its bytes. */
interface Element {
  readonly type: number
  readonly data: DataView
}

/** The elements in these bytes. Each has a tag of 8 bytes, or of 4 if it has at most 4 bytes of data. */
function* elementsOf(view: DataView, start: number, isLittle: boolean): Generator<Element> {
  for (let at = start; at < view.byteLength; ) {
    if (at + 8 > view.byteLength) throw new Error('it ends within an element; it is cut off')
    const first = view.getUint32(at, isLittle)
    const isSmall = first >>> 16 !== 0
    const type = isSmall ? first & 0xffff : first
    const length = isSmall ? first >>> 16 : view.getUint32(at + 4, isLittle)
    const from = at + (isSmall ? 4 : 8)
    if (from + length > view.byteLength || (isSmall && length > 4))
      throw new Error(
        `an element has ${length} bytes, ${Math.max(0, view.byteLength - from)} are there; it is cut off or damaged`,
      )
    yield { type, data: new DataView(view.buffer, view.byteOffset + from, length) }
    // Data is padded to 8 bytes, but not that of packed elements.
    at = isSmall ? at + 8 : from + (type === COMPRESSED ? length : Math.ceil(length / 8) * 8)
  }
}

/** The parts of an array: flags, extents, name, numbers. */
function arrayOf(data: DataView, isLittle: boolean): [string, MatArray] {
  const parts = elementsOf(data, 0, isLittle)
  const part = (): Element => {
    const { value } = parts.next()
    if (!value) throw new Error('an array has too few parts; it is damaged')
    return value
  }
  const flags = part()
  if (flags.type !== 6 || flags.data.byteLength !== 8) throw new Error('the flags of an array are damaged')
  const classOf = flags.data.getUint8(isLittle ? 0 : 3)
  const shape = Array.from(numbersOf(part(), isLittle))
  const name = String.fromCharCode(...Array.from(numbersOf(part(), isLittle)).slice(0, 200))
  if (!isPlain(classOf)) return [name, { shape, values: undefined }]
  const values = numbersOf(part(), isLittle)
  const count = shape.reduce((product, extent) => product * extent, 1)
  if (values.length !== count && classOf !== 4)
    throw new Error(`the array "${name}" has ${values.length} numbers, expected ${shape.join(' × ')}`)
  return [name, { shape, values }]
}

function numbersOf({ type, data }: Element, isLittle: boolean): ArrayLike<number> {
  const known = TYPES.get(type)
  if (!known || data.byteLength % known.size !== 0) throw new Error(`data of the type ${type} is not read, or damaged`)
  return known.read(data, isLittle)
}

function bytesOf({ buffer, byteOffset, byteLength }: DataView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function numbers(size: number, get: (view: DataView, at: number, isLittle: boolean) => number) {
  return (view: DataView, isLittle: boolean): Float64Array =>
    Float64Array.from({ length: view.byteLength / size }, (_, i) => get(view, i * size, isLittle))
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length)
}
