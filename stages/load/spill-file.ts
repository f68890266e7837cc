import { closeSync, read, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { attempt, fileProblem, openNameless, PipelineError, type StageContext } from '../../pipeline/stage-kit.js'

const readAsync = promisify(read)

/**
 * A file in the run directory for rows that do not fit into memory. Its name is removed as soon as it is open, so nothing of
 * it stays, however the process ends.
 */
export class SpillFile {
  /** Number of bytes written. */
  size = 0
  private readonly descriptor: number
  private readonly path: string

  /** Throws a PipelineError `WRITE` if the file cannot be made. */
  constructor({ unlistedFile }: Pick<StageContext, 'unlistedFile'>) {
    this.path = unlistedFile('.rows.tmp')
    this.descriptor = attempt('write', this.path, () => openNameless(this.path))
  }

  /** Writes bytes behind the others. Returns where they begin. Throws a PipelineError `WRITE` if the disk is full. */
  append(array: ArrayBufferView): number {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    const place = this.size
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at, bytes.length - at, place + at)
    } catch (cause) {
      throw new PipelineError('WRITE', fileProblem('write the rows that do not fit into memory to', this.path, cause), {
        cause,
      })
    }
    this.size += bytes.length
    return place
  }

  /** Fills an array with the bytes from `place` on. */
  async read(place: number, array: ArrayBufferView): Promise<void> {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await readAsync(this.descriptor, bytes, at, bytes.length - at, place + at)
      if (bytesRead === 0) throw new Error('internal error: rows that were kept in a file are not there')
      at += bytesRead
    }
  }

  /** Gives the file back. */
  close(): void {
    closeSync(this.descriptor)
  }
}
