import { closeSync, existsSync, fstatSync, ftruncateSync, lstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { attempt, PipelineError, removeFile, syncPath } from '../../pipeline/stage-kit.js'
import { checkLength } from './append.js'

/**
 * A file that is readable only once it is finished. It grows under a temporary name, `NAME.part`, and gets its own name at
 * the end. A run that goes on takes the finished file as its beginning.
 */
export class PartFile {
  private readonly path: string
  private readonly part: string
  private descriptor: number | undefined
  /** The finished file has been taken back, and nothing has been written since. */
  private isTakenBack = false

  constructor(path: string) {
    this.path = path
    this.part = `${path}.part`
  }

  /** The file that has the bytes now. */
  get current(): string {
    return lstatSync(this.part, { throwIfNoEntry: false }) ? this.part : this.path
  }

  /** Resolves once what has been written is on disk. */
  async sync(): Promise<void> {
    if (existsSync(this.current)) await syncPath(this.current)
  }

  /** Throws a PipelineError `DATA` if the file has fewer bytes than it should. */
  check(bytes: number): void {
    checkLength(this.current, bytes)
  }

  /** Begins the file anew. Throws a PipelineError `WRITE` if that is not possible. */
  create(): void {
    removeFile(this.path)
    removeFile(this.part)
    this.descriptor = attempt('write', this.path, () => openSync(this.part, 'wx'))
  }

  /** Gets ready to go on. The file is not changed before the first write. */
  takeBack(): void {
    if (this.current === this.part) return
    attempt('write', this.path, () => renameSync(this.path, this.part))
    this.isTakenBack = true
  }

  /** Opens the file to write on at a byte; what lies behind is cut off. */
  openAt(bytes: number): void {
    this.isTakenBack = false
    this.descriptor ??= attempt('write', this.path, () => {
      // A symbolic link may lead anywhere.
      if (lstatSync(this.part).isSymbolicLink()) throw new PipelineError('WRITE', `${this.part} is a symbolic link`)
      const descriptor = openSync(this.part, 'r+')
      ftruncateSync(descriptor, bytes)
      return descriptor
    })
  }

  /** Writes at the end. Throws a PipelineError `WRITE`, and removes what was written only in part. */
  append(bytes: Uint8Array): void {
    const descriptor = this.descriptor!
    attempt('write', this.path, () => {
      const { size } = fstatSync(descriptor)
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at, size + at)
      } catch (error) {
        ftruncateSync(descriptor, size)
        throw error
      }
    })
  }

  /** Gives the file its name. */
  finish(): void {
    this.close()
    attempt('write', this.path, () => renameSync(this.part, this.path))
  }

  /** Removes a file that has nothing in it. */
  discard(): void {
    this.close()
    removeFile(this.part)
  }

  /** Closes the file as it is. One that was finished, and not changed since, gets its name back. */
  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor)
    this.descriptor = undefined
    if (this.isTakenBack) renameSync(this.part, this.path)
    this.isTakenBack = false
  }
}
