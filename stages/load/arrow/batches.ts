import { createHash } from 'node:crypto'
import { type RecordBatch, Table } from 'apache-arrow'
import {
  batchesOf,
  countArrowRows,
  foreignTable,
  messageOf,
  openRegularFile,
  PipelineError,
  type StageContext,
  turn,
} from '../../../pipeline/stage-kit.js'
import { openSourceFile, plainSize, reading } from '../source-file.js'

/** A larger file is read record batch by record batch; so is one that takes more than this share of the memory of the run. */
const LARGE = { bytes: 256 << 20, share: 1 / 4 }

/** An Arrow file. */
export interface ArrowFile {
  /** A table with its schema. */
  readonly head: Table
  /** Its record batches. Read them once. */
  readonly batches: Iterable<RecordBatch> | AsyncIterable<RecordBatch>
}

/**
 * Opens an Arrow file or stream. Throws a PipelineError `DATA` if it is damaged; of a large file, also while the batches are
 * read. Records its checksum in the run when all of it has been read.
 */
export async function openArrow(path: string, context: StageContext): Promise<ArrowFile> {
  const size = await plainSize(path)
  if (size === undefined || size <= Math.min(LARGE.bytes, context.memory.limit * LARGE.share)) {
    const bytes = await (await openSourceFile(path, context)).whole()
    const head = await readable(path, async () => foreignTable(bytes))
    return { head, batches: head.batches }
  }
  const batches = batchesIn(path, size, context)
  const first = await batches.next()
  if (first.done) throw new PipelineError('DATA', `${path} has no rows`)
  const all = (async function* () {
    yield first.value
    yield* batches
  })()
  return { head: new Table(first.value.schema), batches: all }
}

/** The number of rows of an Arrow file; undefined if it is known only when all of it is read: it is packed, or damaged. */
export async function countArrow(path: string): Promise<number | undefined> {
  const size = await plainSize(path)
  if (size === undefined) return undefined
  const file = await openRegularFile(path)
  try {
    return await countArrowRows(file, size)
  } catch {
    return undefined
  } finally {
    await file.close()
  }
}

async function* batchesIn(path: string, size: number, context: StageContext): AsyncGenerator<RecordBatch> {
  const hash = createHash('sha256')
  const file = await reading(path, '', () => openRegularFile(path))
  try {
    const all = batchesOf(file, size, (bytes) => hash.update(bytes), true)
    for (;;) {
      const { done, value } = await readable(path, () => all.next())
      if (done) break
      // Of a stream that was cut off, what is whole is read, as of a small one.
      if ('batch' in value) yield value.batch
      await turn(context)
    }
  } finally {
    await file.close()
  }
  context.source({ path, bytes: size, sha256: hash.digest('hex') })
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof PipelineError) throw error
    throw new PipelineError(
      'DATA',
      `${path} is not an Arrow file that can be read: ${messageOf(error).slice(0, 200)}`,
      {
        cause: error,
      },
    )
  }
}
