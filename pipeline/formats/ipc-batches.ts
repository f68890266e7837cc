import { readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { type RecordBatch, RecordBatchReader, type Schema } from 'apache-arrow'
import { joinedBytes } from '../base/joined.js'
import { withRegularFile } from '../files/regular-file.js'
import { foreignTable, tableFromFile } from './ipc.js'
import { headerSize, readHeader } from './ipc-check.js'

/** Bytes in front of the header of a message. */
const PREFIX = 8

/** Bytes that are read, and given to a checksum, between two turns of the event loop. */
const PIECE = 1 << 22

/** The text that an Arrow file begins with, before the messages of a stream. */
const MAGIC = 'ARROW1'

/** A message as it lies in the file. */
interface Message {
  readonly isSchema: boolean
  readonly isDictionary: boolean
  readonly bytes: Uint8Array
}

/** A record batch of a file, or the news that the file ends within one. */
export type BatchRead = { readonly batch: RecordBatch } | { readonly isCutOff: true }

/**
 * Reads the record batches of an Arrow IPC stream, or of a file whose messages form one, as the sinks write it. Only one
 * batch is in memory at a time, and all dictionaries. Everything is checked before it is used, as in `tableFromFile`. Throws an
 * Error that says what is wrong.
 *
 * @param size of the file in bytes
 * @param onBytes gets each piece of the file in order, for a checksum
 * @param isForeign whether it may be of another program, as for `foreignTable`
 */
export async function* batchesOf(
  file: FileHandle,
  size: number,
  onBytes: (bytes: Uint8Array) => void = () => {},
  isForeign = false,
): AsyncGenerator<BatchRead> {
  let at = 0
  let end = size
  const read = async (length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length)
    for (let from = 0; from < length; ) {
      const { bytesRead } = await file.read(bytes, from, Math.min(PIECE, length - from), at)
      if (bytesRead === 0) throw new Error('it became shorter while it was read')
      onBytes(bytes.subarray(from, from + bytesRead))
      from += bytesRead
      at += bytesRead
    }
    return bytes
  }
  /** Reads a whole message; undefined at the end of the stream; `cut off` if the file ends within it. */
  const message = async (): Promise<Message | 'cut off' | undefined> => {
    if (end - at < PREFIX) return at < end ? 'cut off' : undefined
    const prefix = await read(PREFIX)
    const length = headerSize(prefix)
    if (length === undefined) return undefined
    if (length > end - at) return 'cut off'
    const header = await read(length)
    const { isSchema, isDictionary, body } = readHeader(header, isForeign)
    if (body > end - at) return 'cut off'
    return { isSchema, isDictionary, bytes: joinedBytes([prefix, header, await read(body)]) }
  }
  const rest = async (): Promise<void> => {
    while (at < size) await read(Math.min(PIECE, size - at))
  }

  const start = new Uint8Array(PREFIX)
  await file.read(start, 0, PREFIX, 0)
  if (isMagic(start)) {
    end = (await startOfFooter(file, size)) ?? size
    if (isForeign && end === size) throw new Error('the file is cut off')
    await read(PREFIX)
  }
  const schema = await message()
  if (schema === 'cut off' || schema === undefined) throw new Error('it has no schema')
  if (!schema.isSchema) throw new Error('its schema is not at its beginning; write it as an Arrow IPC stream')
  const dictionaries: Uint8Array[] = []
  const tableOf = isForeign ? foreignTable : tableFromFile
  for (;;) {
    const next = await message()
    if (next === 'cut off') yield { isCutOff: true }
    if (next === 'cut off' || next === undefined) break
    if (next.isSchema) throw new Error('it has a second schema')
    if (next.isDictionary) dictionaries.push(next.bytes)
    else for (const batch of tableOf(joinedBytes([schema.bytes, ...dictionaries, next.bytes])).batches) yield { batch }
  }
  await rest()
}

/** Where the footer of a file begins: its messages end there at the latest. Undefined for a file without its end. */
async function startOfFooter(file: FileHandle, size: number): Promise<number | undefined> {
  const tail = Buffer.alloc(10)
  const { bytesRead } = await file.read(tail, 0, tail.length, Math.max(0, size - tail.length))
  if (bytesRead < tail.length || tail.toString('latin1', 4) !== MAGIC) return undefined
  const start = size - tail.length - tail.readInt32LE(0)
  if (start < PREFIX || start > size - tail.length) throw new Error('its footer is damaged')
  return start
}

/**
 * The number of rows of an Arrow IPC file or stream of any program, from the headers of its messages. Throws an Error if it is damaged
 * or cut off.
 */
export async function countRows(file: FileHandle, size: number): Promise<number> {
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length)
    if ((await file.read(bytes, 0, length, at)).bytesRead < length) throw new Error('the file is cut off')
    return bytes
  }
  let [at, end, count] = [0, size, 0]
  if (isMagic(await read(0, PREFIX))) [at, end] = [PREFIX, (await startOfFooter(file, size)) ?? 0]
  while (at < end) {
    const length = headerSize(await read(at, PREFIX))
    if (length === undefined) break
    const { isDictionary, body, rows } = readHeader(await read(at + PREFIX, length), true)
    if (!isDictionary) count += rows
    at += PREFIX + length + body
  }
  if (at > end) throw new Error('the file is cut off')
  return count
}

/** The schema of an Arrow IPC stream, or of a file with the schema at its beginning. Throws an Error if it has none. */
export function schemaOf(path: string): Schema {
  return withRegularFile(path, (descriptor) => {
    const read = (at: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      if (readSync(descriptor, bytes, 0, length, at) < length) throw new Error('it has no schema')
      return bytes
    }
    const start = isMagic(read(0, PREFIX)) ? PREFIX : 0
    const prefix = read(start, PREFIX)
    const length = headerSize(prefix)
    if (length === undefined) throw new Error('it has no schema')
    const header = read(start + PREFIX, length)
    if (!readHeader(header).isSchema) throw new Error('it has no schema')
    return RecordBatchReader.from(joinedBytes([prefix, header])).open().schema
  })
}

function isMagic(start: Uint8Array): boolean {
  return Buffer.from(start).toString('latin1', 0, MAGIC.length) === MAGIC
}
