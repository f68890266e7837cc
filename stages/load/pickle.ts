import { built, called, named, type PickleValue } from './pickled-arrays.js'

/** The most operations: a file of CIFAR-100 has about 300,000. They take some 50 ms. */
const MOST_OPERATIONS = 1 << 20

/** Longer texts of Python 2 are bytes. */
const LONG_TEXT = 4096

/** Where a MARK stands on the stack. */
const MARK = Symbol('mark')

/** Whether a file that begins with these bytes says that it is a pickle of protocol 2 or later. */
export function isPickle(bytes: Uint8Array): boolean {
  return bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5
}

/**
 * Reads a pickle of Python (protocols 2 to 5) that holds plain data: numbers, texts, lists, dictionaries and arrays of NumPy
 * (PEP 307, PEP 3154, PEP 574; the opcodes are those of Python's `pickletools`). Nothing in it is executed. Throws an Error,
 * without the path, if it is damaged or asks for anything else.
 */
export function readPickle(bytes: Uint8Array): PickleValue {
  return new PickleReader(bytes).read()
}

class PickleReader {
  private readonly bytes: Buffer
  private at = 0
  private readonly stack: (PickleValue | typeof MARK)[] = []
  private readonly memo = new Map<number, PickleValue>()
  private readonly error = (message: string, back = 0): Error => new Error(`${message} (byte ${this.at - back})`)

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  read(): PickleValue {
    if (!isPickle(this.bytes)) throw new Error('expected a pickle of protocol 2 to 5')
    for (let operations = 0; operations < MOST_OPERATIONS; operations++) {
      const code = this.take(1)[0]!
      if (code === 0x2e) return this.pop()
      const value = this.execute(code)
      if (value !== undefined) this.stack.push(value)
    }
    throw new Error(`it has more than ${MOST_OPERATIONS} operations`)
  }

  /** Carries out one operation, by its code. Returns the value that it pushes, if it pushes one. */
  private execute(code: number): PickleValue | undefined {
    switch (code) {
      case 0x80: // PROTO
        this.take(1)
        return undefined
      case 0x95: // FRAME
        this.take(8)
        return undefined
      case 0x28:
        this.stack.push(MARK)
        return undefined
      case 0x30: // POP
        this.stack.pop()
        return undefined
      case 0x4e:
        return null
      case 0x88:
        return true
      case 0x89:
        return false
      case 0x4a: // BININT
        return this.take(4).readInt32LE()
      case 0x4b: // BININT1
        return this.take(1)[0]!
      case 0x4d: // BININT2
        return this.take(2).readUInt16LE()
      case 0x8a: // LONG1
        return this.long()
      case 0x47: // BINFLOAT
        return this.take(8).readDoubleBE()
      case 0x55: // SHORT_BINSTRING
        return this.take(this.take(1)[0]!).toString('latin1')
      case 0x54: // BINSTRING
        return this.oldText(this.length(4))
      case 0x8c: // SHORT_BINUNICODE
        return this.take(this.take(1)[0]!).toString('utf8')
      case 0x58: // BINUNICODE
        return this.take(this.length(4)).toString('utf8')
      case 0x8d: // BINUNICODE8
        return this.take(this.length(8)).toString('utf8')
      case 0x43: // SHORT_BINBYTES
        return this.take(this.take(1)[0]!)
      case 0x42: // BINBYTES
        return this.take(this.length(4))
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.take(this.length(8))
      case 0x7d: // EMPTY_DICT
        return new Map()
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        return []
      case 0x64: // DICT
        return entered(new Map(), this.toMark())
      case 0x6c: // LIST
      case 0x74: // TUPLE
        return this.toMark()
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return Array.from({ length: code - 0x84 }, () => this.pop()).reverse()
      case 0x61: // APPEND
        return this.append([this.pop()])
      case 0x65: // APPENDS
        return this.append(this.toMark())
      case 0x73: // SETITEM
        return this.enter([this.pop(), this.pop()].reverse())
      case 0x75: // SETITEMS
        return this.enter(this.toMark())
      case 0x71: // BINPUT
        return this.remember(this.take(1)[0]!)
      case 0x72: // LONG_BINPUT
        return this.remember(this.take(4).readUInt32LE())
      case 0x94: // MEMOIZE
        return this.remember(this.memo.size)
      case 0x68: // BINGET
        return this.recall(this.take(1)[0]!)
      case 0x6a: // LONG_BINGET
        return this.recall(this.take(4).readUInt32LE())
      case 0x63: // GLOBAL
        return named(this.line(), this.line(), this.error)
      case 0x93: {
        // STACK_GLOBAL
        const name = this.pop()
        return named(this.pop(), name, this.error)
      }
      case 0x52: {
        // REDUCE
        const given = this.pop()
        return called(this.pop(), given, this.error)
      }
      case 0x62: {
        // BUILD
        const state = this.pop()
        return built(this.pop(), state, this.error)
      }
      default:
        throw this.error(`the operation 0x${code.toString(16).padStart(2, '0')} is not one of plain data`, 1)
    }
  }

  private take(length: number): Buffer {
    if (this.at + length > this.bytes.length) throw new Error('it ends too early; it is cut off or damaged')
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  private length(size: 4 | 8): number {
    const length = size === 4 ? this.take(4).readUInt32LE() : Number(this.take(8).readBigUInt64LE())
    if (this.at + length > this.bytes.length) throw new Error('it ends too early; it is cut off or damaged')
    return length
  }

  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at)
    if (end < 0 || end - this.at > LONG_TEXT) throw this.error('expected a name')
    const text = this.bytes.toString('latin1', this.at, end)
    this.at = end + 1
    return text
  }

  private long(): number {
    const size = this.take(1)[0]!
    if (size > 8) throw this.error('an integer has more than 8 bytes')
    const bytes = this.take(size)
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
    const number = Number(BigInt.asIntN(8 * size, value))
    if (!Number.isSafeInteger(number)) throw this.error('an integer is too large')
    return number
  }

  private oldText(length: number): string | Uint8Array {
    const bytes = this.take(length)
    return length > LONG_TEXT ? bytes : bytes.toString('latin1')
  }

  private pop(): PickleValue {
    const value = this.stack.pop()
    if (value === undefined || value === MARK) throw this.error('a value is missing')
    return value
  }

  private toMark(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK)
    if (mark < 0) throw this.error('a mark is missing')
    const values = this.stack.splice(mark) as PickleValue[]
    return values.slice(1)
  }

  private append(values: readonly PickleValue[]): PickleValue {
    const list = this.pop()
    if (!Array.isArray(list)) throw this.error('expected a list')
    for (const value of values) list.push(value)
    return list
  }

  private enter(values: readonly PickleValue[]): PickleValue {
    const map = this.pop()
    if (!(map instanceof Map)) throw this.error('expected a dictionary')
    return entered(map, values)
  }

  private remember(place: number): PickleValue {
    const value = this.pop()
    this.memo.set(place, value)
    return value
  }

  private recall(place: number): PickleValue {
    const value = this.memo.get(place)
    if (value === undefined) throw this.error('a value that was kept is missing')
    return value
  }
}

function entered(map: Map<PickleValue, PickleValue>, values: readonly PickleValue[]): Map<PickleValue, PickleValue> {
  for (let i = 0; i + 1 < values.length; i += 2) {
    const key = values[i]!
    // Keys of Python 2 dictionaries are bytes if Python 3 wrote them again.
    map.set(key instanceof Uint8Array ? Buffer.from(key).toString('latin1') : key, values[i + 1]!)
  }
  return map
}
