import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pipeline } from '../../index.js'
import { version } from '../../pipeline/base/package.js'
import type { Trust } from '../../pipeline/definition/trust.js'
import { Checksums } from '../identity.js'
import type { Point } from '../point.js'
import type { Task } from './task.js'

/** The definitions that a worker was sent, as files: threads read them from there. */
export class Definitions {
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-sweep-'))
  private readonly trust: Trust

  constructor(trust: Trust) {
    this.trust = trust
  }

  /** Makes a point of this machine of a task. */
  pointOf({ key, settings, seed, kernel, definition, preparation, text }: Task): Point {
    const pipeline = join(this.folder, `${key}.yaml`)
    writeFileSync(pipeline, text)
    return { key, settings, seed, kernel, definition, preparation, pipeline, set: [] }
  }

  /**
   * Why the point would be another one here; nothing where it is the same. Data is read to the end for its checksum, but
   * each file once only, as long as it does not change.
   */
  async difference(point: Point, { millrace, data }: Task): Promise<string | undefined> {
    if (millrace !== version)
      return `submitted by Millrace ${millrace}, the worker has ${version}; use one version everywhere, or submit again`
    const pipeline = await Pipeline.load(point.pipeline, { seed: point.seed, ...this.trust })
    const here = await checksums.of(pipeline)
    const at = here.findIndex(({ sha256 }, i) => sha256 !== data[i]?.sha256)
    if (at < 0 && here.length === data.length) return undefined
    const [mine, theirs] = [here[at], data[at]]
    if (!mine || !theirs) return `it reads ${here.length} files here, ${data.length} where it was submitted`
    return `${mine.path} is another file here: ${mine.bytes} bytes with the SHA-256 ${mine.sha256}, where it was submitted ${theirs.bytes} with ${theirs.sha256}`
  }

  forget({ pipeline }: Point): void {
    rmSync(pipeline, { force: true })
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const checksums = new Checksums()
