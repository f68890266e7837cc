import { crc32, createInflateRaw } from 'node:zlib'
import {
  fileProblem,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  someOf,
  turn,
} from '../../pipeline/stage-kit.js'
import { MOST_UNPACKED, unpacked } from './source-file.js'

/** A file inside a zip archive. */
export interface ZipMember {
  /** Its name in the archive. */
  readonly name: string
  /** Its size in bytes, after unpacking. */
  readonly size: number
  /** Its size in the archive. */
  readonly packedSize: number
  /** How it is packed: 0 not at all, 8 by deflate. */
  readonly method: number
  /** CRC-32 of its bytes. */
  readonly crc: number
  /** Where its header begins in the archive. */
  readonly offset: number
}

/** The signatures of the records of a zip archive (PKWARE, APPNOTE.TXT 4.3). */
const SIGNATURES = { member: 0x04034b50, entry: 0x02014b50, end: 0x06054b50, end64: 0x06064b50, locator: 0x07064b50 }

/** A record at the end of an archive has 22 bytes, and a comment of up to 65,535. */
const TAIL = 22 + 0xffff

/** The most bytes of the list of members. Archives of arrays have a few hundred. */
const MOST_LISTED = 1 << 24

/** What a field of 32 bits says if the value stands in the zip64 extension. */
const ELSEWHERE = 0xffffffff

/** Bytes that are read at a time. */
const PIECE = 1 << 19

/**
 * Lists the members of a zip archive. Throws a PipelineError `DATA` if the file is no whole archive, or has members that
 * are encrypted or packed in another way than by deflate.
 */
export async function zipMembers(path: string): Promise<ZipMember[]> {
  const handle = await openRegularFile(path)
  const damaged = (reason: string) => damage(path, reason)
  async function bytes(at: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(length)
    const { bytesRead } = await handle.read(buffer, 0, length, at)
    if (bytesRead < length) throw damaged('it ends too early')
    return buffer
  }
  try {
    const { size } = await handle.stat()
    const tail = await bytes(Math.max(0, size - TAIL), Math.min(TAIL, size))
    const at = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'))
    if (at < 0 || tail.length - at < 22) throw damaged('it has no list of members at its end; it is cut off')
    let [length, start] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)]
    if (start === ELSEWHERE || length === ELSEWHERE || tail.readUInt16LE(at + 10) === 0xffff) {
      if (at < 20 || tail.readUInt32LE(at - 20) !== SIGNATURES.locator) throw damaged('its zip64 record is missing')
      const end = await bytes(Number(tail.readBigUInt64LE(at - 12)), 56)
      if (end.readUInt32LE(0) !== SIGNATURES.end64) throw damaged('its zip64 record is missing')
      length = Number(end.readBigUInt64LE(40))
      start = Number(end.readBigUInt64LE(48))
    }
    if (length > MOST_LISTED) throw damaged(`its list of members has ${length} bytes`)
    return entriesOf(await bytes(start, length), size, damaged)
  } catch (error) {
    throw readable(path, error)
  } finally {
    await handle.close()
  }
}

function entriesOf(list: Buffer, archive: number, damaged: (reason: string) => PipelineError): ZipMember[] {
  const members: ZipMember[] = []
  for (let at = 0; at < list.length; ) {
    if (list.length - at < 46 || list.readUInt32LE(at) !== SIGNATURES.entry)
      throw damaged('its list of members is damaged')
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => list.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ]
    const name = list.toString('utf8', at + 46, at + 46 + nameLength)
    const extra = list.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength)
    const [size, packedSize, offset] = longValues(
      extra,
      [24, 20, 42].map((field) => list.readUInt32LE(at + field)),
    )
    const member = {
      name,
      size,
      packedSize,
      method: list.readUInt16LE(at + 10),
      crc: list.readUInt32LE(at + 16),
      offset,
    }
    if (list.readUInt16LE(at + 8) & 1) throw damaged(`${shown(name)} is encrypted`)
    if (member.method !== 0 && member.method !== 8)
      throw damaged(
        `${shown(name)} is packed in a way (${member.method}) that is not read; save it again with numpy.savez`,
      )
    if (!(offset + packedSize <= archive)) throw damaged(`${shown(name)} reaches beyond the end of the file`)
    if (member.method === 0 && size !== packedSize) throw damaged(`${shown(name)} has two sizes`)
    members.push(member)
    at += 46 + nameLength + extraLength + commentLength
  }
  return members
}

/** The values of fields of 32 bits, of which the zip64 extension has those that need more. */
function longValues(extra: Buffer, values: readonly number[]): [number, number, number] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2)
    if (extra.readUInt16LE(at) === 1) {
      const record = extra.subarray(at + 4, at + 4 + length)
      let from = 0
      return values.map((value) => {
        if (value !== ELSEWHERE || from + 8 > record.length) return value
        from += 8
        return Number(record.readBigUInt64LE(from - 8))
      }) as [number, number, number]
    }
    at += 4 + length
  }
  return values as [number, number, number]
}

/**
 * Reads the bytes of a member in pieces, unpacked. The next piece may overwrite the previous one. Throws a PipelineError `DATA` if they are damaged, which the checksum of
 * the archive tells, or if a packed member has more than 1 GiB.
 */
export async function* memberPieces(
  path: string,
  member: ZipMember,
  context: StageContext,
): AsyncGenerator<Uint8Array> {
  const { name, size, method, crc } = member
  const damaged = (reason: string) => damage(path, `${shown(name)}: ${reason}`)
  if (method !== 0 && size > MOST_UNPACKED)
    throw new PipelineError(
      'DATA',
      `${path}: ${shown(name)} has ${size} bytes, and packed arrays may have ${MOST_UNPACKED >> 20} MiB; save it with numpy.savez, which does not pack`,
    )
  let found = 0
  let sum = 0
  // An unpacker keeps pieces.
  const stored = storedPieces(path, member, damaged, method === 0)
  const inflated = (): AsyncGenerator<Uint8Array> =>
    unpacked(stored, createInflateRaw({ chunkSize: PIECE }), (cause) => damaged(messageOf(cause)))
  for await (const piece of method === 0 ? stored : inflated()) {
    found += piece.length
    if (found > size) throw damaged(`expected ${size} bytes, found more`)
    sum = crc32(piece, sum)
    yield piece
    await turn(context)
  }
  if (found !== size) throw damaged(`expected ${size} bytes, found ${found}`)
  if (sum !== crc) throw damaged('its checksum is wrong')
}

async function* storedPieces(
  path: string,
  { offset, packedSize }: ZipMember,
  damaged: (reason: string) => PipelineError,
  mayReuse: boolean,
): AsyncGenerator<Uint8Array> {
  const handle = await openRegularFile(path)
  let space: Uint8Array | undefined
  try {
    const header = Buffer.alloc(30)
    const { bytesRead } = await handle.read(header, 0, header.length, offset)
    if (bytesRead < header.length || header.readUInt32LE(0) !== SIGNATURES.member)
      throw damaged('its header is damaged')
    let at = offset + header.length + header.readUInt16LE(26) + header.readUInt16LE(28)
    for (let left = packedSize; left > 0; ) {
      const piece = space ?? new Uint8Array(Math.min(PIECE, left))
      const { bytesRead: count } = await handle.read(piece, 0, Math.min(piece.length, left), at)
      if (count === 0) throw damaged('the file is cut off')
      at += count
      left -= count
      if (mayReuse) space = piece
      yield piece.subarray(0, count)
    }
  } catch (error) {
    throw readable(path, error)
  } finally {
    await handle.close()
  }
}

/** The name of a member for a message. */
function shown(name: string): string {
  return `the array "${someOf([name])}"`
}

function damage(path: string, reason: string): PipelineError {
  return new PipelineError('DATA', `${path} is not a whole .npz file: ${reason}`)
}

function readable(path: string, error: unknown): unknown {
  return error instanceof PipelineError
    ? error
    : new PipelineError('DATA', fileProblem('read', path, error), { cause: error })
}
