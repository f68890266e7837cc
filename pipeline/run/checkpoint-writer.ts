import { basename, dirname, join } from 'node:path'
import { fileProblem, PipelineError } from '../base/errors.js'
import { type CheckpointCopy, checkpointFile, encodeCheckpoint, pruneCheckpoints } from '../directory/checkpoint.js'
import type { RunDirectory } from '../directory/run-directory.js'
import { removeFile, syncPath, writeDurably } from '../files/files.js'

/** What a writer calls around each checkpoint. */
export interface WriteHooks {
  /** Called before a checkpoint is written. */
  readonly onWrite: () => void
  /** Resolves once every file that the states of the checkpoint count on has been synced to disk. */
  readonly syncOutputs: () => Promise<unknown>
  /** Called once a checkpoint lies in the run directory. */
  readonly onWritten: () => void
}

/** Writes checkpoints beside the training, one at a time. While one is being written, only the newest waits. */
export class CheckpointWriter {
  private readonly directory: RunDirectory
  private readonly keep: number
  private readonly hooks: WriteHooks
  private waiting: CheckpointCopy | undefined
  private writing: Promise<void> | undefined
  private failure: PipelineError | undefined
  private folder: string | undefined
  /** The checkpoints of this process that are kept, the newest first. */
  private readonly kept: string[] = []

  /** @param keep how many checkpoints stay in the run directory, at least 1 */
  constructor(directory: RunDirectory, keep: number, hooks: WriteHooks) {
    this.directory = directory
    this.keep = keep
    this.hooks = hooks
  }

  /** Writes a checkpoint in the background. `onError` is called if that fails; `close` then throws the same error. */
  write(checkpoint: CheckpointCopy, onError: (error: PipelineError) => void): void {
    this.waiting = checkpoint
    this.writing ??= this.writeWaiting(onError)
  }

  /**
   * Waits for the checkpoints under way, writes a last one if it is given, and syncs the folder. Throws a PipelineError
   * `WRITE` if any of that failed.
   */
  async close(last?: CheckpointCopy): Promise<void> {
    await this.writing
    if (this.failure) throw this.failure
    // The checkpoint before the last step stays, too.
    if (last) await this.writeOne(last, Math.max(2, this.keep))
    if (this.folder !== undefined) await syncFolder(this.folder)
  }

  private async writeWaiting(onError: (error: PipelineError) => void): Promise<void> {
    try {
      for (let next = this.waiting; next; next = this.waiting) {
        this.waiting = undefined
        await this.writeOne(next)
      }
    } catch (error) {
      this.failure = error as PipelineError
      onError(this.failure)
    }
    this.writing = undefined
  }

  private async writeOne(checkpoint: CheckpointCopy, keep = this.keep): Promise<void> {
    const name = checkpointFile(checkpoint)
    this.hooks.onWrite()
    try {
      // The outputs must be on the disk before the checkpoint that counts on them is.
      const outputs = this.hooks.syncOutputs()
      // If the checkpoint itself fails first, nothing else handles this promise.
      outputs.catch(() => {})
      await writeDurably(this.target(name), encodeCheckpoint(checkpoint), outputs)
    } catch (error) {
      throw new PipelineError('WRITE', fileProblem('write the checkpoint', name, error), { cause: error })
    }
    this.prune(name, checkpoint, keep)
    this.hooks.onWritten()
  }

  /** The path of a checkpoint. The folder is checked and made once, because each check costs several system calls. */
  private target(name: string): string {
    this.folder ??= dirname(this.directory.unlisted(name))
    return join(this.folder, basename(name))
  }

  /**
   * Removes old checkpoints. The folder is listed until enough checkpoints of this process lie there: older ones are of
   * an earlier process. After that this process knows them all, because it alone writes.
   */
  private prune(name: string, checkpoint: CheckpointCopy, keep: number): void {
    if (this.kept[0] === name) return
    this.kept.unshift(name)
    if (this.kept.length <= keep) pruneCheckpoints(this.directory.path, keep, checkpoint)
    else removeFile(this.target(this.kept.pop()!))
  }
}

async function syncFolder(folder: string): Promise<void> {
  try {
    await syncPath(folder)
  } catch (error) {
    throw new PipelineError('WRITE', fileProblem('sync', folder, error), { cause: error })
  }
}
