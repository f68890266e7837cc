/** An array of NumPy in a pickle. */
export class PickledArray {
  /** Extents, one per axis. */
  shape: readonly number[] = [0]
  /** NumPy's type of an element without the order of its bytes: `u1`. */
  type = 'u1'
  /** Whether the first axis varies fastest. */
  isFortran = false
  /** The bytes of the elements. */
  data: Uint8Array = new Uint8Array(0)
}

/** A value in a pickle. Dictionaries are Maps. Texts of Python 2 with more than 4,096 bytes, and bytes, are byte arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickledArray
  | Named

/** What a pickle may name. Nothing of this is ever called: a name is a mark for what its arguments mean. */
class Named {
  readonly name: string
  /** The arguments, if it is a type of elements. */
  readonly given: readonly PickleValue[]

  constructor(name: string, given: readonly PickleValue[] = []) {
    this.name = name
    this.given = given
  }
}

/** The only names that are accepted. The modules have another name since NumPy 2. */
const NAMES = new Set([
  'numpy.core.multiarray _reconstruct',
  'numpy._core.multiarray _reconstruct',
  'numpy.core.numeric _frombuffer',
  'numpy._core.numeric _frombuffer',
  'numpy dtype',
  'numpy ndarray',
  '_codecs encode',
])

/** Makes the error to throw where the reader stands. */
type ErrorHere = (message: string) => Error

/** A name of the pickle. Throws an Error if it is none that arrays have. */
export function named(module: PickleValue, name: PickleValue, error: ErrorHere): Named {
  const whole = `${String(module)} ${String(name)}`
  if (!NAMES.has(whole))
    throw error(
      `refused to load ${JSON.stringify(whole.replace(' ', '.').slice(0, 80))}: only data is read, programs are not run`,
    )
  return new Named(whole.replace(/^numpy\.core/, 'numpy._core'))
}

/** What a call of the program that wrote the pickle would give. */
export function called(what: PickleValue, given: PickleValue, error: ErrorHere): PickleValue {
  if (!(what instanceof Named) || !Array.isArray(given)) throw error('expected a name and its arguments')
  const [first, second, third, fourth] = given
  switch (what.name) {
    case '_codecs encode':
      if (typeof first !== 'string' || (second !== 'latin1' && second !== 'latin-1'))
        throw error('expected bytes as a latin-1 text')
      return Buffer.from(first, 'latin1')
    case 'numpy dtype':
      return new Named(what.name, given)
    case 'numpy._core.multiarray _reconstruct':
      return new PickledArray()
    case 'numpy._core.numeric _frombuffer':
      return fill(new PickledArray(), first, second, third, fourth === 'F', error)
    default:
      throw error(`${what.name.replace(' ', '.')} cannot be called`)
  }
}

/** An array or a type of elements, once the pickle says what is in it. */
export function built(what: PickleValue, state: PickleValue, error: ErrorHere): PickleValue {
  if (!Array.isArray(state)) throw error('expected the parts of an array')
  if (what instanceof PickledArray) {
    const [, shape, type, isFortran, data] = state
    return fill(what, data, type, shape, isFortran === true || isFortran === 1, error)
  }
  if (!(what instanceof Named) || what.name !== 'numpy dtype') throw error('expected an array to fill')
  // The version, the order of the bytes, and what only structures have.
  if (state[1] === '>') throw error('arrays in big-endian order are not read')
  return what
}

function fill(
  array: PickledArray,
  data: PickleValue | undefined,
  type: PickleValue | undefined,
  shape: PickleValue | undefined,
  isFortran: boolean,
  error: ErrorHere,
): PickledArray {
  const bytes = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  const name = type instanceof Named && type.name === 'numpy dtype' ? type.given[0] : undefined
  if (!(bytes instanceof Uint8Array) || typeof name !== 'string' || !Array.isArray(shape))
    throw error('expected the parts of an array')
  const [, kind, size] = /^[|<=]?([a-z])(\d)$/i.exec(name) ?? []
  if (size === undefined) throw error(`arrays of the type ${JSON.stringify(name.slice(0, 40))} are not read`)
  const extents = shape.map((extent) => (typeof extent === 'number' && extent >= 0 ? extent : Number.NaN))
  const length = extents.reduce((product, extent) => product * extent, Number(size))
  if (bytes.length !== length)
    throw error(`an array has ${bytes.length} bytes, expected ${extents.join(' × ')} elements of ${size}`)
  return Object.assign(array, { shape: extents, type: `${kind}${size}`, isFortran, data: bytes })
}
