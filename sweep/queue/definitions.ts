import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pipeline } from '../../index.js'
import { version } from '../../pipeline/base/package.js'
import type { Trust } from '../../pipeline/definition/trust.js'
import { Checksums } from '../identity.js'
import type { Point } from '../point.js'
import type { Task } from './task.js'

/** The definitions of the tasks of a worker, as temporary files: the threads read them from there. */
export class Definitions {
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-sweep-'))
  private readonly trust: Trust

  /** @param trust what the definitions are allowed to do */
  constructor(trust: Trust) {
    this.trust = trust
  }

  /** Turns a task into a point of this machine: writes its definition into a file. */
  pointOf({ key, settings, seed, kernel, definition, preparation, text }: Task): Point {
    const pipeline = join(this.folder, `${key}.yaml`)
    writeFileSync(pipeline, text)
    return { key, settings, seed, kernel, definition, preparation, pipeline, set: [] }
  }

  /**
   * Says why the point would give other results on this machine. Returns undefined if it would not. Reads the data
   * files for their checksums, each file once as long as it does not change.
   */
  async difference(point: Point, { millrace, data }: Task): Promise<string | undefined> {
    if (millrace !== version)
      return `submitted by Millrace ${millrace}, the worker has ${version}; use one version everywhere, or submit again`
    const pipeline = await Pipeline.load(point.pipeline, { seed: point.seed, ...this.trust })
    const sources = await checksums.of(pipeline)
    const at = sources.findIndex(({ sha256 }, i) => sha256 !== data[i]?.sha256)
    if (at < 0 && sources.length === data.length) return undefined
    const [mine, theirs] = [sources[at], data[at]]
    if (!mine || !theirs)
      return `the point reads ${sources.length} files here, ${data.length} on the machine that submitted it`
    const [here, there] = [mine, theirs].map(({ bytes, sha256 }) => `${bytes} bytes, SHA-256 ${sha256}`)
    return `${mine.path} is another file here: ${here}; on the machine that submitted the point: ${there}`
  }

  /** Removes the file of a point. */
  forget({ pipeline }: Point): void {
    rmSync(pipeline, { force: true })
  }

  /** Removes all files. */
  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const checksums = new Checksums()
