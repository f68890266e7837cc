import { closeSync, ftruncateSync, openSync, statSync, truncateSync, writeSync } from 'node:fs'
import { basename } from 'node:path'
import type { Table } from 'apache-arrow'
import { ignoreElements, type Observable, type OperatorFunction, tap, using } from 'rxjs'
import { z } from 'zod'
import { attempt, PipelineError, type StageContext, syncPath } from '../../pipeline/stage-kit.js'
import { SeenTables, seenState } from './seen-tables.js'

/** An output file that only grows. */
export interface Appender {
  /** Passes text (as UTF-8) or bytes to the operating system at once. Throws a PipelineError `WRITE` if that fails. */
  append(content: string | Uint8Array): void
  /**
   * Says what the parts of a row are, such as the names of the columns. Throws a PipelineError `DATA` if the file has
   * others, from before the run was resumed.
   */
  keepTo(layout: string): void
}

/** The contents of the file: number of bytes, the tables, and the layout of the rows, which version 0.1.0 did not keep. */
const state = z.strictObject({
  bytes: z.int().nonnegative(),
  ...seenState.shape,
  layout: z.string().optional(),
})

/**
 * Opens the file when the run starts, calls `write` for each table with its number in the file, and closes the file at
 * the end of the run, also if the run fails. A resumed run cuts the file to its length at the checkpoint before its first
 * new step, and skips the tables that are already in it. Throws a PipelineError `WRITE` if a write fails.
 */
export function appended(
  context: StageContext,
  path: string,
  write: (table: Table, file: Appender, index: number) => void,
): OperatorFunction<Table, never> {
  return (tables): Observable<never> =>
    using(
      () => new GrowingFile(context, context.file(path)),
      (resource) => {
        const file = resource as GrowingFile
        return tables.pipe(
          tap((table) => {
            if (file.seen.isNew(table)) write(table, file, file.seen.count(table))
          }),
          ignoreElements(),
        )
      },
    )
}

class GrowingFile implements Appender {
  private readonly path: string
  private descriptor: number | undefined
  /** The tables in the file. */
  readonly seen = new SeenTables()
  private readonly now: { bytes: number; layout?: string | undefined } = { bytes: 0 }

  constructor(context: StageContext, path: string) {
    this.path = path
    context.state(state, {
      snapshot: () => ({ ...this.now, ...this.seen.now }),
      restore: ({ bytes, layout, ...seen }) => {
        checkLength(path, bytes)
        this.seen.restore(seen)
        Object.assign(this.now, { bytes, layout })
      },
      begin: () => {
        this.open()
      },
      sync: () => syncPath(path),
    })
  }

  private open(): number {
    this.descriptor ??= attempt('write', this.path, () => openAt(this.path, this.now.bytes))
    return this.descriptor
  }

  keepTo(layout: string): void {
    this.now.layout ??= layout
    if (this.now.layout === layout) return
    throw new PipelineError(
      'DATA',
      `${basename(this.path)} has rows of ${this.now.layout}, and now come rows of ${layout}; ` +
        'put the stage back that makes them, or begin a new run',
    )
  }

  append(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    const descriptor = this.open()
    attempt('write', this.path, () => {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
      } catch (error) {
        cutBack(descriptor, this.now.bytes)
        throw error
      }
    })
    this.now.bytes += bytes.length
  }

  unsubscribe(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor)
  }
}

/** Cuts a file to a number of bytes and opens it to append. */
function openAt(path: string, bytes: number): number {
  if (bytes === 0) return openSync(path, 'w')
  truncateSync(path, bytes)
  return openSync(path, 'a')
}

/** Removes a piece that was written only in part. */
function cutBack(descriptor: number, bytes: number): void {
  try {
    ftruncateSync(descriptor, bytes)
  } catch {
    // A device has no length. The caller reports the first error.
  }
}

/** Throws a PipelineError `DATA` if a file is shorter than the checkpoint says. */
export function checkLength(path: string, bytes: number): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size >= bytes) return
  throw new PipelineError(
    'DATA',
    `${path} has ${size} bytes, less than the ${bytes} it had when the checkpoint was made; ` +
      'remove the newest file in checkpoint/ to go back further',
  )
}
