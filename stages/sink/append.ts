import { closeSync, openSync, statSync, truncateSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Table } from 'apache-arrow'
import { ignoreElements, type Observable, type OperatorFunction, tap, using } from 'rxjs'
import { z } from 'zod'
import { attempt, PipelineError, positionOf, type StageContext } from '../../pipeline/index.js'

/** An output file that grows: whatever is appended is handed to the operating system at once. */
export interface Appender {
  append(content: string | Uint8Array): void
}

/** What is in the file: bytes, tables, those of them that were no step's, and the last step. */
const state = z.strictObject({
  bytes: z.int().nonnegative(),
  tables: z.int().nonnegative(),
  early: z.int().nonnegative(),
  step: z.int().nonnegative(),
})

/**
 * Opens the file when the run starts, calls `write` for each table with its number in the file, and closes it however the
 * run ends. A resumed run cuts the file off where the checkpoint was made, and passes over the tables that are in it.
 * Throws a PipelineError `WRITE` where a write fails.
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
            if (file.isNew(table)) write(table, file, file.count(table))
          }),
          ignoreElements(),
        )
      },
    )
}

class GrowingFile implements Appender {
  private readonly path: string
  private readonly descriptor: number
  private readonly now = { bytes: 0, tables: 0, early: 0, step: 0 }
  private saved = this.now
  /** Tables that were no step's, seen by this process. */
  private early = 0

  constructor(context: StageContext, path: string) {
    this.path = path
    context.state(state, {
      snapshot: () => this.now,
      restore: (saved) => {
        this.saved = { ...saved }
        Object.assign(this.now, saved)
      },
      sync: () => sync(path),
    })
    this.descriptor = attempt('write', path, () => openAt(path, this.now.bytes))
  }

  /** False for what a resumed run comes past a second time. */
  isNew(table: Table): boolean {
    const { step } = positionOf(table)
    if (this.saved === this.now) return true
    return step > 0 ? step > this.saved.step : ++this.early > this.saved.early
  }

  /** Counts a table, and gives the number it has in the file, from 0. */
  count(table: Table): number {
    const { step } = positionOf(table)
    if (step > 0) this.now.step = step
    else this.now.early++
    return this.now.tables++
  }

  append(content: string | Uint8Array): void {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    attempt('write', this.path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.descriptor, bytes, at)
    })
    this.now.bytes += bytes.length
  }

  unsubscribe(): void {
    closeSync(this.descriptor)
  }
}

/** Opens a file to write on from a byte on; what stood there is cut off. */
function openAt(path: string, bytes: number): number {
  if (bytes === 0) return openSync(path, 'w')
  const { size } = statSync(path)
  if (size < bytes)
    throw new PipelineError(
      'DATA',
      `${path} has ${size} bytes, less than the ${bytes} it had when the checkpoint was made; remove the newest file in checkpoint/ to go back further`,
    )
  truncateSync(path, bytes)
  return openSync(path, 'a')
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    if ((await file.stat()).isFile()) await file.sync()
  } finally {
    await file.close()
  }
}
