import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { pipeline, Readable, type Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import {
  fileProblem,
  hasGrown,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  turn,
} from '../../pipeline/stage-kit.js'

/** Largest size of an unpacked file, in bytes. */
export const MOST_UNPACKED = 1 << 30

/** Bytes that are read at a time. A piece is worked on for a few milliseconds, so that Ctrl-C is answered at once. */
const PIECE = 1 << 16

/** Bytes of a file of numbers that are read at a time: few calls, and a piece still fits into the cache of a core. */
export const BINARY_PIECE = 1 << 19

/** The first bytes of every gzip file. No text and no CIFAR file begins with them. */
const GZIP = [0x1f, 0x8b]

/**
 * Reads a data file in pieces, unpacks it if it is a gzip file, and records its checksum in the run when all of it has
 * been read. Stops with an error when the run is stopped. Throws a PipelineError `DATA` if the file is missing,
 * unreadable, empty or damaged, or unpacks to more than 1 GiB.
 *
 * @param length bytes of a piece of a file that is not packed; the last may be shorter
 * @param mayReuse whether a piece may be overwritten when the next one is asked for: new memory takes time
 */
export async function* readPieces(
  path: string,
  context: StageContext,
  length = PIECE,
  mayReuse = false,
): AsyncGenerator<Uint8Array> {
  const raw = rawPieces(path, context, length, mayReuse)
  try {
    const first = await raw.next()
    if (first.done) throw new PipelineError('DATA', `${path} is empty`)
    const all = joined(first.value, raw)
    const packed = isPacked(path, first.value)
    let size = 0
    for await (const piece of packed ? gunzipped(all, path) : all) {
      size += piece.length
      if (packed && size > MOST_UNPACKED)
        throw new PipelineError('DATA', `${path} holds more than ${MOST_UNPACKED >> 20} MiB; unpack it`)
      yield piece
      await turn(context)
    }
    if (size === 0) throw new PipelineError('DATA', `${path} is empty`)
  } finally {
    // Closes the file, also if nobody has read on after the first piece.
    await raw.return(undefined)
  }
}

/** Whether a file that begins with these bytes is packed by gzip, or says so by its name. */
function isPacked(path: string, bytes: Uint8Array): boolean {
  return path.endsWith('.gz') || GZIP.every((byte, i) => bytes[i] === byte)
}

async function* joined(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first
  yield* rest
}

/** The bytes as they are in the file. The next piece is read while one is worked on. */
async function* rawPieces(
  path: string,
  context: StageContext,
  length: number,
  mayReuse: boolean,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const handle = await reading(path, '', () => openRegularFile(path))
  const read = (into: Buffer) => reading(path, '', () => handle.read(into, 0, into.length, null))
  let bytes = 0
  let next: Promise<{ bytesRead: number; buffer: Buffer }> | undefined
  let spare: Buffer | undefined
  let isReused: boolean | undefined
  try {
    const { size } = await handle.stat()
    // Only what was read into it is used, so it need not be zero before.
    const space = () => Buffer.allocUnsafeSlow(Math.min(length, size || length))
    next = read(space())
    for (;;) {
      const { bytesRead, buffer } = await next
      if (bytesRead === 0) {
        if (!(await hasGrown(path, bytes, context.signal))) break
        next = read(buffer)
        continue
      }
      bytes += bytesRead
      const piece = plain(buffer.subarray(0, bytesRead))
      next = read(spare ?? space())
      // It is told when it is waited for.
      next.catch(() => {})
      // An unpacker keeps pieces. Only the first one tells whether there is one.
      isReused ??= mayReuse && !isPacked(path, piece)
      if (isReused) spare = buffer
      hash.update(piece)
      yield piece
    }
  } finally {
    await next?.catch(() => {})
    await handle.close()
  }
  if (bytes > 0) context.source({ path, bytes, sha256: hash.digest('hex') })
}

/** The same bytes, in the same memory. The slices of a Buffer would share it. */
function plain({ buffer, byteOffset, length }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

function gunzipped(packed: AsyncGenerator<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  return unpacked(
    packed,
    createGunzip({ chunkSize: PIECE }),
    (cause) => new PipelineError('DATA', `${path} is not a whole gzip file: ${messageOf(cause)}`, { cause }),
  )
}

/**
 * Unpacks bytes as they are wanted. Throws a PipelineError of the packed bytes as it is, and `damaged` for what the unpacker
 * throws.
 *
 * @param unpacker of `node:zlib`
 */
export async function* unpacked(
  packed: AsyncGenerator<Uint8Array>,
  unpacker: Transform,
  damaged: (cause: unknown) => PipelineError,
): AsyncGenerator<Uint8Array> {
  let failure: unknown
  pipeline(Readable.from(packed, { objectMode: true, highWaterMark: 1 }), unpacker, (error) => {
    failure = error
  })
  try {
    for await (const piece of unpacker) yield piece as Uint8Array
  } catch (error) {
    const cause = failure ?? error
    throw cause instanceof PipelineError ? cause : damaged(cause)
  }
}

/** Reads a whole data file. Throws like `readPieces`. */
export async function readSourceFile(path: string, context: StageContext): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of readPieces(path, context)) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** A data file that is read in pieces. It is unpacked if it is a gzip file. */
export interface SourceFile {
  /** Path of the file. */
  readonly path: string
  /** Number of bytes, after unpacking. */
  readonly size: number
  /** Reads pieces of `length` bytes, in order; the last may be short. The next piece may overwrite the previous one. */
  pieces(length: number): AsyncGenerator<Uint8Array>
  /** Reads all bytes. */
  whole(): Promise<Uint8Array>
}

/**
 * Opens a data file. Only a gzip file is read into memory as a whole. Throws like `readPieces`; if the file is missing, the
 * message ends with `help`.
 */
export async function openSourceFile(path: string, context: StageContext, help = ''): Promise<SourceFile> {
  const size = await plainSize(path, help)
  if (size === undefined) {
    const bytes = await readSourceFile(path, context)
    return { path, size: bytes.length, pieces: (length) => cut(bytes, length, context), whole: async () => bytes }
  }
  const pieces = (length: number): AsyncGenerator<Uint8Array> => {
    const spaces = [0, 1].map(() => Buffer.allocUnsafeSlow(Math.min(length, size))) as [Buffer, Buffer]
    let turns = 0
    return read(path, size, context, (_, wanted) => spaces[turns++ % 2]!.subarray(0, wanted), length)
  }
  const whole = async (): Promise<Uint8Array> => {
    const all = Buffer.allocUnsafeSlow(size)
    for await (const _ of read(path, size, context, (at, wanted) => all.subarray(at, at + wanted), BINARY_PIECE));
    return plain(all)
  }
  return { path, size, pieces, whole }
}

/**
 * Returns the number of bytes of a data file, or undefined if it is a gzip file: only reading it tells. Throws a
 * PipelineError `DATA` if the file is empty, unreadable or missing; the message then ends with `help`.
 */
export async function plainSize(path: string, help = ''): Promise<number | undefined> {
  const firstBytes = new Uint8Array(GZIP.length)
  const size = await reading(path, help, async () => {
    const handle = await openRegularFile(path)
    try {
      await handle.read(firstBytes, 0, firstBytes.length, 0)
      return (await handle.stat()).size
    } finally {
      await handle.close()
    }
  })
  if (size === 0) throw new PipelineError('DATA', `${path} is empty`)
  return isPacked(path, firstBytes) ? undefined : size
}

/** Returns the path, with `.gz` added if only the compressed file exists. */
export function foundFile(path: string): string {
  const packed = `${path}.gz`
  return !existsSync(path) && existsSync(packed) ? packed : path
}

async function* cut(bytes: Uint8Array, length: number, context: StageContext): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) {
    yield bytes.subarray(at, at + length)
    await turn(context)
  }
}

/**
 * Reads and hashes piece by piece, so that a piece is still in the CPU cache when the caller uses it. The next piece is read
 * while one is worked on.
 *
 * @param spaceFor where a piece goes: `wanted` bytes from `at` on in the file
 */
async function* read(
  path: string,
  size: number,
  context: StageContext,
  spaceFor: (at: number, wanted: number) => Buffer,
  length: number,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const handle = await reading(path, '', () => openRegularFile(path))
  const readAt = async (at: number): Promise<Buffer> => {
    const space = spaceFor(at, Math.min(length, size - at))
    const { bytesRead } = await reading(path, '', () => handle.read(space, 0, space.length, at))
    if (bytesRead < space.length) throw new PipelineError('DATA', `${path} became shorter while it was read`)
    return space
  }
  let next = readAt(0)
  try {
    for (let at = 0; at < size; at += length) {
      const piece = plain(await next)
      if (at + length < size) next = readAt(at + length)
      // It is told when it is waited for.
      next.catch(() => {})
      hash.update(piece)
      yield piece
      await turn(context)
    }
  } finally {
    await next.catch(() => {})
    await handle.close()
  }
  context.source({ path, bytes: size, sha256: hash.digest('hex') })
}

/**
 * Does something with a data file. Rejects with a PipelineError `DATA` that names the file if that fails; if it is missing,
 * the message ends with `help`.
 */
export async function reading<T>(path: string, help: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new PipelineError('DATA', fileProblem('read', path, error) + (isMissing && help ? `; ${help}` : ''), {
      cause: error,
    })
  }
}
