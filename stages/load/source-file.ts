import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { fileProblem, messageOf, PipelineError, type StageContext } from '../../pipeline/index.js'

const unzip = promisify(gunzip)

/**
 * Reads a data file whole, unpacked if it ends in `.gz`, and tells the run its checksum.
 * Throws a PipelineError `DATA`: missing, unreadable, empty, or damaged; `help` is added where it is missing.
 */
export async function readSourceFile(path: string, context: StageContext, help = ''): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await readFile(path)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new PipelineError('DATA', fileProblem('read', path, error) + (isMissing && help ? `; ${help}` : ''), {
      cause: error,
    })
  }
  if (bytes.length === 0) throw new PipelineError('DATA', `${path} is empty`)
  context.source({ path, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') })
  if (!path.endsWith('.gz')) return bytes
  const unpacked = await unzip(bytes).catch((error) => {
    throw new PipelineError('DATA', `${path} is not a whole gzip file: ${messageOf(error)}`, { cause: error })
  })
  if (unpacked.length === 0) throw new PipelineError('DATA', `${path} is empty`)
  return unpacked
}
