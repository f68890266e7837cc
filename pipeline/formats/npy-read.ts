import { halfToSingle } from './half.js'
import type { Tensor } from './safetensors.js'

/** The kinds of elements that are read, by NumPy's letter: unsigned and signed integers, floats, truth values, texts. */
export type NpyKind = 'u' | 'i' | 'f' | 'b' | 'U' | 'S'

/** What the header of a `.npy` file says. */
export interface NpyHeader {
  /** The type of the elements as NumPy writes it, such as `<f4`. */
  readonly type: string
  /** Its kind. */
  readonly kind: NpyKind
  /** Bytes of an element. */
  readonly size: number
  /** Whether the bytes of an element come in big-endian order. */
  readonly isBigEndian: boolean
  /** Whether the first axis varies fastest in the file (Fortran order), and not the last. */
  readonly isFortran: boolean
  /** Extents, one per axis. An array without axes is one number. */
  readonly shape: readonly number[]
  /** Number of elements. */
  readonly length: number
  /** Bytes of the header: the data begins there. */
  readonly start: number
}

/** Elements of an array: 16-bit floats as 32-bit ones, truth values as 0 and 1. */
export type NpyNumbers = Tensor['values']

/** An array of a `.npy` file. */
export interface NpyArray {
  /** Extents, one per axis. */
  readonly shape: readonly number[]
  /** The elements, last axis fastest. */
  readonly values: NpyNumbers | string[]
}

/** The first bytes of every `.npy` file. */
const MAGIC = Buffer.from('\x93NUMPY', 'latin1')

/** The most bytes of a header. NumPy's own readers refuse headers from 10,000 characters. */
const MOST_HEADER = 1 << 16

/** The most bytes of an element: a text of some thousand characters. Larger ones are damage. */
const MOST_ELEMENT = 1 << 16

/** The sizes in bytes that a kind has; texts have any. */
const sizes: Readonly<Record<string, readonly number[]>> = { u: [1, 2, 4, 8], i: [1, 2, 4, 8], f: [2, 4, 8], b: [1] }

/** The kinds that are refused, in words. */
const otherKinds = new Map([
  ['O', 'Python objects, which are pickled programs; save an array of numbers or texts'],
  ['c', 'complex numbers; save their parts as an axis'],
  ['V', 'raw bytes or structures; save one array per field'],
  ['M', 'dates; save them as numbers'],
  ['m', 'durations; save them as numbers'],
])

/** Whether a file that begins with these bytes says that it is a `.npy` file. */
export function isNpy(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length))
}

/**
 * Reads the header of a `.npy` file of version 1 to 3 (NumPy, NEP 1) from the first bytes of the file. Returns the number
 * of bytes that it needs if these are too few. Throws an Error if it is no such file, is damaged, or holds elements that
 * are neither numbers nor texts; the message has no path.
 */
export function readNpyHeader(bytes: Uint8Array): NpyHeader | number {
  if (!MAGIC.subarray(0, bytes.length).equals(bytes.subarray(0, MAGIC.length)))
    throw new Error('expected the magic text \\x93NUMPY of a .npy file')
  if (bytes.length < 8) return 12
  const version = bytes[6]!
  if (version < 1 || version > 3)
    throw new Error(`expected version 1, 2 or 3 of the .npy format, found ${version}.${bytes[7]}`)
  const before = version === 1 ? 10 : 12
  if (bytes.length < before) return before
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > MOST_HEADER) throw new Error(`expected a header of at most ${MOST_HEADER} bytes, found ${length}`)
  const start = before + length
  if (bytes.length < start) return start
  return headerOf(Buffer.from(bytes.subarray(before, start)).toString(version === 3 ? 'utf8' : 'latin1'), start)
}

function headerOf(text: string, start: number): NpyHeader {
  const descr = /'descr'\s*:\s*(?:'([^']*)'|([[(]))/.exec(text)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)
  const extents = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)
  if (descr?.[2] !== undefined) throw new Error(`cannot read structures; ${fixOf('V')}`)
  if (!descr || !order || !extents) throw new Error('expected a header with descr, fortran_order and shape')
  const shape = extents[1]!
    .split(',')
    .map((extent) => extent.trim())
    .filter((extent) => extent !== '')
    .map((extent) => Number(extent.replace(/L$/, '')))
  const length = shape.reduce((product, extent) => product * extent, 1)
  const { type, kind, size, isBigEndian } = typeOf(descr[1]!)
  if (shape.some((extent) => !Number.isSafeInteger(extent)) || !Number.isSafeInteger(length * size))
    throw new Error(`the shape (${extents[1]!.slice(0, 60)}) is too large`)
  return { type, kind, size, isBigEndian, isFortran: order[1] === 'True', shape, length, start }
}

function typeOf(descr: string): Pick<NpyHeader, 'type' | 'kind' | 'size' | 'isBigEndian'> {
  const [, order, letter, digits] = /^([<>|=]?)([a-zA-Z])(\d*)$/.exec(descr) ?? []
  const count = Number(digits || (letter === 'b' ? 1 : 0))
  const isText = letter === 'U' || letter === 'S'
  const size = letter === 'U' ? 4 * count : count
  const isKnown = letter !== undefined && (isText ? size > 0 && size <= MOST_ELEMENT : sizes[letter]?.includes(size))
  if (!isKnown) throw new Error(`cannot read elements of the type '${descr.slice(0, 40)}'; ${fixOf(letter ?? '')}`)
  return { type: descr, kind: letter as NpyKind, size, isBigEndian: order === '>' }
}

function fixOf(letter: string): string {
  const other = otherKinds.get(letter)
  return other ? `they are ${other}` : 'save the array as integers, floats of 16 to 64 bits, truth values or texts'
}

/** The bytes that the data of an array takes. */
export function npyBytes({ length, size }: NpyHeader): number {
  return length * size
}

/**
 * Reads a whole `.npy` file. Throws an Error as `readNpyHeader` does, and if the file has more or less bytes than its
 * header says.
 */
export function readNpy(bytes: Uint8Array): NpyArray {
  const header = readNpyHeader(bytes)
  if (typeof header === 'number')
    throw new Error(`the file ends within its header: expected ${header} bytes or more, found ${bytes.length}`)
  const expected = header.start + npyBytes(header)
  if (bytes.length !== expected)
    throw new Error(`expected ${expected} bytes (${header.shape.join(' × ')} of ${header.type}), found ${bytes.length}`)
  const elements = npyElements(header, bytes.subarray(header.start))
  const { shape } = header
  return { shape, values: header.isFortran ? rowMajor(elements, shape) : elements }
}

const constructors = {
  u1: Uint8Array,
  b1: Uint8Array,
  i1: Int8Array,
  u2: Uint16Array,
  i2: Int16Array,
  f2: Uint16Array,
  u4: Uint32Array,
  i4: Int32Array,
  f4: Float32Array,
  u8: BigUint64Array,
  i8: BigInt64Array,
  f8: Float64Array,
} as const

/**
 * Returns the elements in these bytes, which must be a whole number of them, in the order of the file. The elements may lie in
 * the memory of the bytes.
 */
export function npyElements({ kind, size, isBigEndian }: NpyHeader, bytes: Uint8Array): NpyNumbers | string[] {
  if (kind === 'U' || kind === 'S') return texts(kind, size, isBigEndian, bytes)
  if (size === 1) {
    // A Buffer would share its memory with its slices.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    if (kind === 'i') return new Int8Array(plain.buffer, plain.byteOffset, plain.length)
    return kind === 'b' ? plain.map((byte) => (byte === 0 ? 0 : 1)) : plain
  }
  const { buffer, byteOffset } = isBigEndian || bytes.byteOffset % size > 0 ? copied(bytes, size, isBigEndian) : bytes
  const Values = constructors[`${kind}${size}` as keyof typeof constructors]
  const values = new Values(buffer as ArrayBuffer, byteOffset, bytes.length / size)
  return kind === 'f' && size === 2 ? Float32Array.from(values as Uint16Array, halfToSingle) : values
}

/** Typed arrays need aligned bytes, in the order of this machine. */
function copied(bytes: Uint8Array, size: number, isBigEndian: boolean): Buffer {
  const copy = Buffer.from(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  if (isBigEndian) swap(copy, size)
  return copy
}

function swap(bytes: Buffer, size: number): void {
  if (size === 2) bytes.swap16()
  else if (size === 4) bytes.swap32()
  else bytes.swap64()
}

/** NumPy pads texts with zeros. Code points that no text can have become U+FFFD, as in any decoder. */
function texts(kind: 'U' | 'S', size: number, isBigEndian: boolean, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / size }, (_, i) => {
    const at = i * size
    if (kind === 'S')
      return Buffer.from(bytes.subarray(at, at + size))
        .toString('utf8')
        .replace(/\0+$/, '')
    let text = ''
    for (let j = 0; j < size; j += 4) text += character(view.getUint32(at + j, !isBigEndian))
    return text.replace(/\0+$/, '')
  })
}

function character(point: number): string {
  const isText = point < 0xd800 || (point > 0xdfff && point <= 0x10ffff)
  return isText ? String.fromCodePoint(point) : '\ufffd'
}

/** Returns the elements of an array in Fortran order with the last axis fastest. */
export function rowMajor<T extends NpyNumbers | string[]>(elements: T, shape: readonly number[]): T {
  const ordered = elements.slice() as T
  const index = shape.map(() => 0)
  for (let from = 0; from < elements.length; from++) {
    let at = 0
    for (let axis = 0; axis < shape.length; axis++) at = at * shape[axis]! + index[axis]!
    ordered[at] = elements[from]!
    for (let axis = 0; axis < shape.length; axis++) {
      index[axis]!++
      if (index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
  return ordered
}
