import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { fileProblem, messageOf, openRegularFile, PipelineError, type StageContext } from '../../pipeline/stage-kit.js'

const unzip = promisify(gunzip)

/** Largest file that is read into memory, in bytes, before and after it is unpacked. */
const MOST = 1 << 30

/**
 * Reads a whole data file, unpacks it if its name ends in `.gz`, and records its checksum in the run. Throws a
 * PipelineError `DATA` if the file is missing, unreadable, empty or damaged. If it is missing, the message ends with
 * `help`.
 */
export async function readSourceFile(path: string, context: StageContext, help = ''): Promise<Buffer> {
  const bytes = await reading(path, help, async () => {
    const file = await openRegularFile(path, MOST)
    try {
      return await file.readFile()
    } finally {
      await file.close()
    }
  })
  if (bytes.length === 0) throw new PipelineError('DATA', `${path} is empty`)
  context.source({ path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
  if (!path.endsWith('.gz')) return bytes
  const unpacked = await unzip(bytes, { maxOutputLength: MOST }).catch((error) => {
    const isLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    const problem = isLarge
      ? `holds more than ${MOST >> 20} MiB; unpack it`
      : `is not a whole gzip file: ${messageOf(error)}`
    throw new PipelineError('DATA', `${path} ${problem}`, { cause: error })
  })
  if (unpacked.length === 0) throw new PipelineError('DATA', `${path} is empty`)
  return unpacked
}

/** A data file that is read in pieces. It is unpacked if its name ends in `.gz`. */
export interface SourceFile {
  /** Path of the file. */
  readonly path: string
  /** Number of bytes, after unpacking. */
  readonly size: number
  /** The first two bytes, after unpacking. */
  readonly firstBytes: Uint8Array
  /** Reads pieces of `length` bytes, in order; the last may be short. The next piece may overwrite the previous one. */
  pieces(length: number): AsyncGenerator<Uint8Array> | Generator<Uint8Array>
}

/** Opens a data file. Only a `.gz` file is read into memory as a whole. Throws like `readSourceFile`. */
export async function openSourceFile(path: string, context: StageContext, help = ''): Promise<SourceFile> {
  if (path.endsWith('.gz')) {
    const bytes = await readSourceFile(path, context, help)
    return { path, size: bytes.length, firstBytes: bytes.subarray(0, 2), pieces: (length) => cut(bytes, length) }
  }
  const firstBytes = new Uint8Array(2)
  const size = await reading(path, help, async () => {
    const handle = await openRegularFile(path)
    try {
      await handle.read(firstBytes, 0, 2, 0)
      return (await handle.stat()).size
    } finally {
      await handle.close()
    }
  })
  if (size === 0) throw new PipelineError('DATA', `${path} is empty`)
  return { path, size, firstBytes, pieces: (length) => read(path, size, length, context) }
}

function* cut(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** Reads and hashes piece by piece, so that a piece is still in the CPU cache when the caller uses it. */
async function* read(path: string, size: number, length: number, context: StageContext): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(Math.min(length, size))
  const handle = await reading(path, '', () => openRegularFile(path))
  try {
    for (let at = 0; at < size; at += buffer.length) {
      const wanted = Math.min(buffer.length, size - at)
      const { bytesRead } = await reading(path, '', () => handle.read(buffer, 0, wanted, at))
      if (bytesRead < wanted) throw new PipelineError('DATA', `${path} became shorter while it was read`)
      const piece = buffer.subarray(0, wanted)
      hash.update(piece)
      yield piece
      await context.flow.yieldToEventLoop()
    }
  } finally {
    await handle.close()
  }
  context.source({ path, bytes: size, sha256: hash.digest('hex') })
}

async function reading<T>(path: string, help: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new PipelineError('DATA', fileProblem('read', path, error) + (isMissing && help ? `; ${help}` : ''), {
      cause: error,
    })
  }
}
