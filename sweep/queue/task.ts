import { resolve } from 'node:path'
import { z } from 'zod'
import type { Pipeline } from '../../index.js'
import { kernelNames } from '../../kernels/index.js'
import { dataSource } from '../../pipeline/base/data-source.js'
import { version } from '../../pipeline/base/package.js'
import { isFile } from '../../pipeline/graph/registry.js'
import type { Plan, Point } from '../point.js'

/**
 * A point as it is sent to a worker, with everything that a run needs except the data. It comes over the network, so a
 * worker checks it.
 */
export const taskSchema = z.object({
  /** The version of Millrace that submitted the point. */
  millrace: z.string(),
  /** The key of the point. It becomes the name of a directory. */
  key: z.string().regex(/^[\w-]+$/),
  /** See `Point`. */
  settings: z.record(z.string(), z.unknown()),
  /** See `Point`. */
  seed: z.number(),
  /** See `Point`. */
  kernel: z.enum(kernelNames),
  /** See `Point`. */
  definition: z.string(),
  /** See `Point`. */
  preparation: z.string().optional(),
  /** The resolved definition, as YAML. */
  text: z.string(),
  /** The files that the load stages read, in their order. */
  data: z.array(dataSource),
  /** The folder for the run directory. All machines share it. */
  artifacts: z.string(),
})

/** A point as it is sent to a worker. */
export type Task = z.output<typeof taskSchema>

/** The result at the queue of a point that is done. */
export interface PointResult {
  /** The outcome, as its line in `results.jsonl`. */
  readonly line: string
  /** The run directory, as a path on the machine of the worker. */
  readonly directory: string
  /** The name of the machine of the worker. */
  readonly host: string
}

/** The id of the job of a point. A key alone may be all digits, and BullMQ takes digits for an id of its own. */
export function jobIdOf(key: string): string {
  return `point-${key}`
}

/** Turns the points of a plan into tasks. It needs their pipelines, which `planSweep` hands to `note`. */
export class Tasks {
  private readonly texts = new Map<string, Pick<Task, 'text' | 'data'>>()

  /** Notes the definition and the data of a point. To be given to `planSweep` as `onPoint`. */
  readonly note = (point: Point, pipeline: Pipeline, data: Task['data']): void => {
    this.texts.set(point.key, { text: formatDefinition(pipeline), data })
  }

  /** The tasks of a plan. @param artifacts the folder that the machines share */
  of({ points }: Plan, artifacts: string): Task[] {
    return points.map(({ key, settings, seed, kernel, definition, preparation }) => ({
      millrace: version,
      key,
      settings: { ...settings },
      seed,
      kernel,
      definition,
      preparation,
      ...this.texts.get(key)!,
      artifacts,
    }))
  }
}

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
