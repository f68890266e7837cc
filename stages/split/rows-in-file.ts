import { closeSync } from 'node:fs'
import type { Table } from 'apache-arrow'
import {
  fileProblem,
  openNameless,
  openRowFile,
  PipelineError,
  RowFileWriter,
  type RowSource,
  type StageContext,
} from '../../pipeline/stage-kit.js'

/** Rows of one split that come in pieces, in a file without a name in the run directory until they are divided. */
export class RowsInFile {
  private readonly context: StageContext
  private readonly path: string
  private readonly writer: RowFileWriter
  private readonly descriptor: number
  private readonly closing = new AbortController()
  private isWritten = false

  /** Throws a PipelineError `WRITE` if the file cannot be made. */
  constructor(first: Table, context: StageContext) {
    this.context = context
    this.path = context.unlistedFile('.split.tmp')
    try {
      this.descriptor = openNameless(this.path)
      this.writer = new RowFileWriter(this.path, first, undefined, this.descriptor)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** Writes the rows of a table. Rejects with a PipelineError `WRITE` if the disk is full. */
  async add(table: Table): Promise<void> {
    try {
      await this.writer.add(table, this.context)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** Returns what reads the rows, until `close`. */
  finish(): RowSource {
    try {
      const file = this.writer.finish()
      this.isWritten = true
      return openRowFile(this.path, file, this.closing.signal, this.descriptor)
    } catch (error) {
      throw this.failed(error)
    }
  }

  /** Nothing of the file stays. */
  close(): void {
    this.closing.abort()
    if (this.isWritten) return
    this.isWritten = true
    closeSync(this.descriptor)
  }

  private failed(error: unknown): unknown {
    if (error instanceof PipelineError || this.context.signal.aborted) return error
    return new PipelineError('WRITE', fileProblem('write the rows to divide to', this.path, error), { cause: error })
  }
}
