import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { listed } from '../pipeline/base/words.js'

/** Entries of an archive that are looked at. The archives of the catalogue have fewer than ten. */
const MOST_ENTRIES = 1000

/** Bytes that an entry may take beside its content: its header, and what fills up blocks. */
const MOST_AROUND = 2048

/** Bytes that an archive may hold beside the files that are wanted, such as a page that describes them. */
const MOST_BESIDE = 1 << 20

/**
 * Takes files out of a `.tar.gz`: those with these names and sizes, in whatever folder of the archive they are, into one
 * folder, as plain files. Nothing else is written: no links, no devices, no paths of the archive. Throws a PipelineError
 * `DATA` if an entry leads out of the folder or is no file or folder, if the archive is damaged or larger than it may be,
 * or if a file is missing or has another size.
 *
 * @param wanted the size of each file in bytes, by its name
 * @param folder exists, and has no such files
 */
export async function unpack(
  archive: string,
  wanted: Readonly<Record<string, number>>,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const { createTarDecoder } = await import('modern-tar')
  const found = new Set<string>()
  let [entries, beside] = [0, 0]
  const refuse = (reason: string): PipelineError => new PipelineError('DATA', `${archive} is refused: ${reason}`)
  const most = Object.values(wanted).reduce((sum, size) => sum + size, MOST_BESIDE + MOST_ENTRIES * MOST_AROUND)
  async function* limited(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let size = 0
    for await (const piece of pieces) {
      size += piece.length
      if (size > most) throw refuse(`unpacked, it has more than ${most} bytes`)
      yield piece
    }
  }
  const gunzip = createReadStream(archive, { signal })
    .on('error', (error) => gunzip.destroy(error))
    .pipe(createGunzip())
  try {
    const tar = Readable.toWeb(Readable.from(limited(gunzip))) as ReadableStream<Uint8Array>
    for await (const { header, body } of tar.pipeThrough(createTarDecoder({ strict: true }))) {
      const { name, type = 'file', size } = header
      if (++entries > MOST_ENTRIES) throw refuse(`it has more than ${MOST_ENTRIES} entries`)
      if (!isInside(name)) throw refuse(`"${name}" leads out of its folder`)
      if (type !== 'file' && type !== 'directory') throw refuse(`"${name}" is a ${type}, expected a file or a folder`)
      const base = posix.basename(name)
      const isWanted = type === 'file' && Object.hasOwn(wanted, base)
      if (isWanted && size !== wanted[base]) throw refuse(`"${name}" has ${size} bytes, expected ${wanted[base]}`)
      if (isWanted && found.has(base)) throw refuse(`it has "${base}" twice`)
      beside += isWanted ? 0 : size
      if (beside > MOST_BESIDE) throw refuse(`"${name}" has ${size} bytes, and is not expected`)
      const output = isWanted ? await open(join(folder, base), 'wx') : undefined
      try {
        for await (const piece of body) await output?.writeFile(piece)
      } finally {
        await output?.close()
      }
      if (isWanted) found.add(base)
    }
  } catch (error) {
    if (signal.aborted) throw new PipelineError('ABORTED', 'stopped while unpacking', { cause: error })
    if (error instanceof PipelineError || (error as NodeJS.ErrnoException).syscall) throw error
    throw new PipelineError('DATA', `${archive} cannot be unpacked: ${messageOf(error)}`, { cause: error })
  } finally {
    gunzip.destroy()
  }
  const missing = Object.keys(wanted).filter((name) => !found.has(name))
  if (missing.length > 0) throw refuse(`${listed(missing, 'and')} ${missing.length === 1 ? 'is' : 'are'} missing`)
}

/** Whether a path of an archive stays in the folder that it is unpacked to, on every system. */
function isInside(name: string): boolean {
  return name !== '' && !/^[/\\]|^[A-Za-z]:|\0/.test(name) && !name.split(/[/\\]/).includes('..')
}
