import { resolve } from 'node:path'
import { z } from 'zod'
import type { Pipeline } from '../../index.js'
import { kernelNames } from '../../kernels/index.js'
import { dataSource } from '../../pipeline/base/data-source.js'
import { PipelineError } from '../../pipeline/base/errors.js'
import { isDeeper } from '../../pipeline/base/json.js'
import { version } from '../../pipeline/base/package.js'
import { isFile } from '../../pipeline/graph/registry.js'
import { digestPattern } from '../identity.js'
import type { Plan, Point } from '../point.js'

/** The longest definition that is sent, in characters. */
const MAX_TEXT = 1 << 20

/** How deep lists and objects may be nested in the value of a setting. */
const MAX_SETTING_DEPTH = 16

/** The longest settings that are sent, in bytes of JSON. */
const MAX_SETTINGS = 64 << 10

/** A text for people: no control characters, which could write lines of their own into a log. */
const line = z
  .string()
  .max(1000)
  .regex(/^\P{Cc}*$/u, 'expected a text without control characters')

/** The settings of a point. They are sent to threads and shown in messages, which data of any depth would break. */
const settings = z
  .record(line, z.unknown())
  .refine((values) => Object.values(values).every((value) => !isDeeper(value, MAX_SETTING_DEPTH)), {
    error: `a setting is nested more than ${MAX_SETTING_DEPTH} deep`,
    abort: true,
  })
  .refine((values) => Buffer.byteLength(JSON.stringify(values)) <= MAX_SETTINGS, {
    error: `the settings are longer than ${MAX_SETTINGS >> 10} KiB`,
  })

/**
 * A point as it is sent to a worker, with everything that a run needs except the data. It comes over the network, so a
 * worker checks it.
 */
export const taskSchema = z.strictObject({
  /** The version of Millrace that submitted the point. */
  millrace: line,
  /** The key of the point. It becomes the name of a directory. */
  key: z.string().regex(digestPattern, 'expected a digest'),
  /** See `Point`. */
  settings,
  /** See `Point`. */
  seed: z.int().nonnegative(),
  /** See `Point`. */
  fold: z.int().positive().optional(),
  /** See `Point`. */
  kernel: z.enum(kernelNames),
  /** See `Point`. */
  definition: z.string().regex(digestPattern, 'expected a digest'),
  /** See `Point`. */
  preparation: z.string().regex(digestPattern, 'expected a digest').optional(),
  /** The resolved definition, as JSON. */
  text: z.string().max(MAX_TEXT),
  /** The files that the load stages read, in their order. */
  data: z.array(dataSource),
  /** The folder for the run directory. All machines share it. */
  artifacts: line,
})

/** A point as it is sent to a worker. */
export type Task = z.output<typeof taskSchema>

/** The result at the queue of a point that is done. It comes over the network, too. */
export const resultSchema = z.object({
  /** The outcome, as its line in `results.jsonl`. */
  line: z.string(),
  /** The run directory, as a path on the machine of the worker. */
  directory: line,
  /** The name of the machine of the worker. */
  host: line,
})

/** The result at the queue of a point that is done. */
export type PointResult = z.output<typeof resultSchema>

/** The id of the job of a point. A key alone may be all digits, and BullMQ takes digits for an id of its own. */
export function jobIdOf(key: string): string {
  return `point-${key}`
}

/** Turns the points of a plan into tasks. It needs their pipelines, which `planSweep` hands to `note`. */
export class Tasks {
  private readonly texts = new Map<string, Pick<Task, 'text' | 'data'>>()

  /**
   * Notes the definition and the data of a point. To be given to `planSweep` as `onPoint`. Throws a PipelineError
   * `ARGUMENTS` if a run needs several processes.
   */
  readonly note = (point: Point, pipeline: Pipeline, data: Task['data']): void => {
    if (pipeline.definition.parallel?.engine === 'mpi') throw new PipelineError('ARGUMENTS', oneProcess)
    this.texts.set(point.key, { text: formatDefinition(pipeline), data })
  }

  /** The tasks of a plan. @param artifacts the folder that the machines share */
  of({ points }: Plan, artifacts: string): Task[] {
    return points.map(({ key, settings, seed, fold, kernel, definition, preparation }) => ({
      millrace: version,
      key,
      settings: { ...settings },
      seed,
      ...(fold !== undefined && { fold }),
      kernel,
      definition,
      ...(preparation !== undefined && { preparation }),
      ...this.texts.get(key)!,
      artifacts,
    }))
  }
}

/** Why a run with MPI is not for a queue. */
export const oneProcess = 'a worker runs each point in one process; leave "parallel" out, or use "engine: local"'

/** Formats a definition so that it can be read in any folder: stage files get absolute paths. */
function formatDefinition(pipeline: Pipeline): string {
  const base = process.cwd()
  const document = pipeline.toDocument({ allowObjects: true, base })
  const definition = document.toJS() as { stages: { use: string }[] }
  const stages = definition.stages.map((stage) => ({
    ...stage,
    use: isFile(stage.use) ? resolve(base, stage.use) : stage.use,
  }))
  return JSON.stringify({ ...definition, stages })
}
