import { closeSync, openSync, writeSync } from 'node:fs'
import { concatMap, EMPTY, type Observable, type OperatorFunction, using } from 'rxjs'
import { attempt, type StageContext } from '../../pipeline/index.js'

/** An output file that grows: whatever is appended is handed to the operating system at once. */
export interface Appender {
  append(content: string | Uint8Array): void
}

/**
 * Opens the file when the run starts, calls `write` for each table and closes it however the run ends.
 * Throws a PipelineError `WRITE` where a write fails.
 */
export function appended<T>(
  context: StageContext,
  path: string,
  write: (table: T, file: Appender, index: number) => void,
): OperatorFunction<T, never> {
  return (tables): Observable<never> =>
    using(
      () => openFile(context.file(path)),
      (file) =>
        tables.pipe(
          concatMap((table, index) => {
            write(table, file as ReturnType<typeof openFile>, index)
            return EMPTY
          }),
        ),
    )
}

function openFile(path: string): Appender & { unsubscribe(): void } {
  const descriptor = attempt('write', path, () => openSync(path, 'w'))
  return {
    append(content) {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      attempt('write', path, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at)
      })
    },
    unsubscribe: () => closeSync(descriptor),
  }
}
