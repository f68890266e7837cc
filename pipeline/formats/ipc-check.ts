import { type Fields, Flatbuffer } from './flatbuffer.js'

// The tables of Arrow's IPC format: `Schema.fbs`, `Message.fbs` and `File.fbs` of the Arrow project.
const keyValue: Fields = () => ({ 0: { kind: 'text' }, 1: { kind: 'text' } })
const metadata = { kind: 'tables', fields: keyValue } as const
const field: Fields = () => ({
  0: { kind: 'text' },
  3: { kind: 'table', fields: leaf },
  4: { kind: 'table', fields: encoding },
  5: { kind: 'tables', fields: field },
  6: metadata,
})
const encoding: Fields = () => ({ 1: { kind: 'table', fields: leaf } })
const leaf: Fields = () => ({})
const schema: Fields = () => ({ 1: { kind: 'tables', fields: field }, 2: metadata, 3: { kind: 'records', size: 8 } })

const SCHEMA = 1
const DICTIONARY_BATCH = 2
const RECORD_BATCH = 3

/** The text that an Arrow file begins and ends with. A stream does not have it. */
const MAGIC = 'ARROW1'

/**
 * Checks the messages and headers of an Arrow IPC file or stream, because the Arrow reader follows their offsets
 * without a check. Returns the bytes that can be read: all of a file, and the complete messages of a stream that was
 * cut off. Throws an Error that says what is wrong.
 *
 * @param takesDictionaries whether dictionaries may be in the file
 */
export function checkMessages(bytes: Uint8Array, takesDictionaries = false): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isFile = textAt(bytes, 0) === MAGIC
  if (!isFile) return bytes.subarray(0, walk(view, 0, bytes.length, takesDictionaries).end)
  if (bytes.length < 24 || textAt(bytes, bytes.length - 6) !== MAGIC) throw new Error('the file is cut off')
  const end = bytes.length - 10
  const start = end - view.getInt32(end, true)
  if (start < 8 || start > end) throw new Error('its footer is damaged')
  const found = walk(view, 8, start, takesDictionaries)
  checkFooter(view, start, end, found)
  return bytes
}

/** The positions of the messages of a file. */
interface Messages {
  /** The end of the last one. */
  readonly end: number
  readonly batches: ReadonlySet<number>
  readonly dictionaries: ReadonlySet<number>
}

/** Checks the messages from `start` to `limit`. */
function walk(view: DataView, start: number, limit: number, takesDictionaries: boolean): Messages {
  const batches = new Set<number>()
  const dictionaries = new Set<number>()
  let at = start
  for (let count = 0; limit - at >= 8; count++) {
    if (view.getInt32(at, true) !== -1)
      throw new Error(at === 0 ? 'it is no Arrow file' : `there is no message at byte ${at}`)
    const size = view.getInt32(at + 4, true)
    if (size === 0) return { end: at + 8, batches, dictionaries }
    if (size < 0) throw new Error(`the message at byte ${at} is damaged`)
    const body = at + 8 + size
    if (body > limit) break
    const message = new Flatbuffer(view, at + 8, body)
    const type = typeOf(view, message)
    const isDictionary = type === DICTIONARY_BATCH
    if (isDictionary && !takesDictionaries) throw new Error('it has dictionaries, which cannot be read')
    // A file may leave its schema to the footer.
    if (type !== RECORD_BATCH && !isDictionary && !(type === SCHEMA && count === 0))
      throw new Error(`the message at byte ${at} is neither the schema nor a record batch`)
    const bodySize = checkMessage(view, message, type).body
    if (body + bodySize > limit) break
    if (type === RECORD_BATCH) batches.add(at)
    if (isDictionary) dictionaries.add(at)
    at = body + bodySize
  }
  return { end: at, batches, dictionaries }
}

/** The most bytes of the header of a message: names and statistics of very many features. */
const MOST_HEADER = 1 << 28

/**
 * Reads the beginning of a message, its first 8 bytes. Returns the number of bytes of its header, which follow, or
 * undefined at the end of a stream. Throws an Error if no message begins there.
 */
export function headerSize(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getInt32(0, true) !== -1) throw new Error('there is no message')
  const size = view.getInt32(4, true)
  if (size < 0 || size > MOST_HEADER) throw new Error('a message is damaged')
  return size === 0 ? undefined : size
}

/**
 * Checks the header of a message. Returns what it is, the size of its body in bytes, and its number of rows. Throws an Error that says
 * what is wrong.
 *
 * @param takesDictionaries whether it may be a dictionary
 */
export function readHeader(
  bytes: Uint8Array,
  takesDictionaries = false,
): { readonly isSchema: boolean; readonly isDictionary: boolean; readonly body: number; readonly rows: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const message = new Flatbuffer(view, 0, bytes.length)
  const type = typeOf(view, message)
  const isDictionary = type === DICTIONARY_BATCH
  if (isDictionary && !takesDictionaries) throw new Error('it has dictionaries, which cannot be read')
  if (!isDictionary && type !== SCHEMA && type !== RECORD_BATCH)
    throw new Error('a message is neither the schema nor a record batch')
  return { isSchema: type === SCHEMA, isDictionary, ...checkMessage(view, message, type) }
}

/** The type of a message: `SCHEMA`, `DICTIONARY_BATCH`, `RECORD_BATCH` or another number. */
function typeOf(view: DataView, message: Flatbuffer): number {
  const at = message.field(message.root(), 1)
  return at === undefined ? 0 : view.getUint8(at)
}

/** Checks the header of a message. Returns the size of the body in bytes, and the number of rows or of texts of a dictionary. */
function checkMessage(view: DataView, message: Flatbuffer, type: number): { body: number; rows: number } {
  const root = message.root()
  const sizeAt = message.field(root, 3, 8)
  const size = sizeAt === undefined ? 0 : longAt(view, sizeAt)
  let rows = 0
  const batch: Fields = () => ({
    1: { kind: 'records', size: 16, check: (at, count) => checkLengths(view, at, count, 16, size) },
    2: { kind: 'records', size: 16, check: (at, count) => checkLengths(view, at, 2 * count, 8, size) },
    4: { kind: 'records', size: 8 },
  })
  const dictionary: Fields = () => ({ 1: { kind: 'table', fields: batch } })
  const fields = type === RECORD_BATCH ? batch : type === DICTIONARY_BATCH ? dictionary : schema
  message.verify(root, () => ({ 2: { kind: 'table', fields }, 4: metadata }))
  const header = message.field(root, 2, 4)
  if (type !== SCHEMA && header !== undefined) {
    let table = header + view.getUint32(header, true)
    if (type === DICTIONARY_BATCH) {
      const data = message.field(table, 1, 4)
      if (data === undefined) throw new Error('a dictionary has no values')
      table = data + view.getUint32(data, true)
    }
    const rowsAt = message.field(table, 0, 8)
    if (rowsAt !== undefined) {
      checkLengths(view, rowsAt, 1, 8, size)
      rows = longAt(view, rowsAt)
    }
    if (message.field(table, 3) !== undefined) throw new Error('it is compressed, which cannot be read')
  }
  return { body: size, rows }
}

/**
 * Checks `count` numbers, `stride` bytes apart: lengths, offsets and numbers of rows of a record batch. None may exceed
 * the size of the body in bytes, `limit`, because each row takes at least one byte.
 */
function checkLengths(view: DataView, at: number, count: number, stride: number, limit: number): void {
  for (let i = 0; i < count; i++)
    if (longAt(view, at + i * stride) > limit) throw new Error('the lengths in a record batch are damaged')
}

/** Checks the footer of a file. It must refer to messages of the right kind only. */
function checkFooter(view: DataView, start: number, end: number, { batches, dictionaries }: Messages): void {
  const footer = new Flatbuffer(view, start, end)
  const leadsTo = (places: ReadonlySet<number>, what: string) => (at: number, count: number) => {
    for (let i = 0; i < count; i++)
      if (!places.has(longAt(view, at + 24 * i))) throw new Error(`its footer leads to no ${what}`)
  }
  footer.verify(footer.root(), () => ({
    1: { kind: 'table', fields: schema },
    2: { kind: 'records', size: 24, check: leadsTo(dictionaries, 'dictionary') },
    3: { kind: 'records', size: 24, check: leadsTo(batches, 'record batch') },
    4: metadata,
  }))
}

/** Reads a 64-bit count. Throws an Error if it is negative or not exact as a double. */
function longAt(view: DataView, at: number): number {
  const value = view.getBigInt64(at, true)
  if (value < 0n || value > Number.MAX_SAFE_INTEGER) throw new Error('a count is damaged')
  return Number(value)
}

/** The text at a position, as long as the magic text. */
function textAt(bytes: Uint8Array, at: number): string {
  return at < 0 ? '' : String.fromCharCode(...bytes.subarray(at, at + MAGIC.length))
}
