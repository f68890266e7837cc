import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { z } from 'zod'
import { Pipeline } from '../../index.js'
import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { version } from '../../pipeline/base/package.js'
import { counted } from '../../pipeline/base/words.js'
import type { Trust } from '../../pipeline/definition/trust.js'
import { isFile, splitPick } from '../../pipeline/graph/registry.js'
import { Checksums, definitionDigest, keyOf, preparationDigest } from '../identity.js'
import type { Point } from '../point.js'
import type { Folders } from './folders.js'
import { Refusal } from './refusal.js'
import { oneProcess, type Task } from './task.js'

/** A definition as `submit` writes it. It extends no file, because it was resolved before. */
const textSchema = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  seed: z.unknown(),
  splitSeed: z.unknown().optional(),
  vars: z.record(z.string(), z.unknown()).optional(),
  checkpoint: z.unknown().optional(),
  published: z.unknown().optional(),
  parallel: z.unknown().optional(),
  stages: z.array(z.looseObject({ use: z.string() })),
})

/** A path into the directory of a run from a queue: such files are chosen by those who can write to the queue. */
const inRun = /(^|[\\/])(points|working|unfinished)[\\/][0-9a-f]{16}/i

/** The definitions of the tasks of a worker, as temporary files: the threads read them from there. */
export class Definitions {
  private readonly folder = mkdtempSync(join(tmpdir(), 'millrace-sweep-'))
  /** Nothing beside the job counts: no folder in which its text happens to lie, and no environment. */
  readonly trust: Trust
  private readonly folders: Folders

  /**
   * @param trust what the definitions are allowed to do
   * @param folders where they may read data
   */
  constructor(trust: Trust, folders: Folders) {
    this.trust = { ...trust, isDetached: true }
    this.folders = folders
  }

  /** Turns a task into a point of this machine: writes its definition into a file. */
  pointOf({ key, settings, seed, fold, kernel, definition, preparation, text }: Task): Point {
    const pipeline = join(this.folder, `${key}.yaml`)
    writeFileSync(pipeline, text)
    return {
      key,
      settings,
      seed,
      ...(fold !== undefined && { fold }),
      kernel,
      definition,
      preparation,
      pipeline,
      set: [],
    }
  }

  /**
   * Checks that a point is what its key says, that it may run here, and that it gives the same results here. Reads the
   * data files for their checksums, each file once as long as it does not change. Rejects with a Refusal, or with a
   * PipelineError `DEFINITION` about the definition. Returns the pipeline.
   */
  async check(point: Point, task: Task): Promise<Pipeline> {
    if (task.millrace !== version)
      throw new Refusal(
        `submitted by Millrace ${task.millrace}, the worker has ${version}; use one version everywhere, or submit again`,
      )
    if (keyOf(task.definition, task.data, task.kernel) !== task.key) throw new Refusal(forged('key'))
    checkText(task.text)
    const pipeline = await Pipeline.load(point.pipeline, { seed: point.seed, ...this.trust })
    if (definitionDigest(pipeline) !== task.definition) throw new Refusal(forged('definition'))
    if (pipeline.definition.parallel?.engine === 'mpi') throw new Refusal(oneProcess)
    await this.checkData(pipeline, task)
    if (preparationDigest(pipeline, task.data) !== task.preparation) throw new Refusal(forged('preparation'))
    return pipeline
  }

  private async checkData(pipeline: Pipeline, { data }: Task): Promise<void> {
    const paths = checksums.pathsOf(pipeline)
    try {
      this.folders.checkData(paths)
    } catch (error) {
      throw new Refusal(messageOf(error))
    }
    // The text of such an error has the path and the reason of the system.
    const sources = await checksums.of(pipeline).catch((error) => {
      throw error instanceof PipelineError ? new Refusal(error.message) : error
    })
    if (sources.length !== data.length)
      throw new Refusal(
        `the point reads ${counted(sources.length, 'file')} here, ${data.length} on the machine that submitted it`,
      )
    const at = sources.findIndex(({ sha256 }, i) => sha256 !== data[i]?.sha256)
    if (at < 0) return
    const [mine, theirs] = [sources[at]!, data[at]!]
    const [here, there] = [mine, theirs].map(({ bytes, sha256 }) => `${bytes} bytes, SHA-256 ${sha256}`)
    // Only who knows a file gets a word about it.
    throw new Refusal(
      `${mine.path} is another file here than on the machine that submitted the point: ${there}`,
      `${mine.path} is another file here: ${here}; on the machine that submitted the point: ${there}`,
    )
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

function forged(part: string): string {
  return `the ${part} of the submitted task is not that of its content; submit it again with millrace sweep submit`
}

/** Checks that a text is a definition as `submit` writes it: whole, with references to its own vars alone. */
function checkText(text: string): void {
  let definition: z.output<typeof textSchema>
  try {
    definition = textSchema.parse(JSON.parse(text))
  } catch {
    throw new Refusal('the definition of the submitted task is not one that millrace sweep submit writes')
  }
  const { vars = {}, seed, splitSeed, checkpoint, parallel, stages } = definition
  const foreign = referencesIn([vars, seed, splitSeed, checkpoint, parallel, stages]).find(
    (name) => !Object.hasOwn(vars, name) || name === 'here',
  )
  if (foreign !== undefined)
    throw new Refusal(`the definition of the submitted task refers to \${${foreign}}, which is none of its vars`)
  if (stages.some(({ use }) => placesOf(use).some((place) => inRun.test(place))))
    throw new Refusal('the definition of the submitted task names a file of a run as a stage')
}

/** The path that a stage may be loaded from: as it is written, without detours, and where links lead. */
function placesOf(use: string): string[] {
  const [path] = splitPick(use)
  return [path, normalize(path), ...(isFile(path) && existsSync(path) ? [realpathSync(path)] : [])]
}

/** The names in all references `${name}`; the text behind `${` if it is no name. */
function referencesIn(data: unknown): string[] {
  if (typeof data === 'string')
    return [...data.matchAll(/\$\$\{|\$\{([\w-]*)/g)].filter(([all]) => all !== '$${').map(([, name]) => name ?? '')
  if (typeof data !== 'object' || data === null) return []
  return Object.values(data).flatMap(referencesIn)
}
