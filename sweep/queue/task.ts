import { resolve } from 'node:path'
import { z } from 'zod'
import type { Pipeline } from '../../index.js'
import { dataSource } from '../../pipeline/base/data-source.js'
import { version } from '../../pipeline/base/package.js'
import { isFile } from '../../pipeline/graph/registry.js'
import type { Plan, Point } from '../point.js'

/** A point as it travels to a worker, with all that it takes to run it but the data. It comes over the network: checked. */
export const task = z.object({
  millrace: z.string(),
  /** It becomes the name of a directory. */
  key: z.string().regex(/^[\w-]+$/),
  settings: z.record(z.string(), z.unknown()),
  seed: z.number(),
  kernel: z.enum(['native', 'wasm', 'reference']),
  /** See `Point`. */
  definition: z.string(),
  preparation: z.string().optional(),
  /** The resolved definition, as YAML. */
  text: z.string(),
  /** What the load stages are going to read, in their order. */
  data: z.array(dataSource),
  /** The folder, shared by all machines, that gets the run directory. */
  artifacts: z.string(),
})

export type Task = z.output<typeof task>

/** What a point that is done leaves at the queue. */
export interface PointResult {
  /** Its line in `results.jsonl`. */
  readonly line: string
  /** Where its files lie, as its worker calls the place. */
  readonly directory: string
  readonly host: string
}

/** The name of a point at the queue. A key alone may be all digits, which BullMQ takes for a number of its own. */
export function jobIdOf(key: string): string {
  return `point-${key}`
}

/** What makes a task of each point of a plan that `planSweep` is about to make. */
export class Tasks {
  private readonly texts = new Map<string, Pick<Task, 'text' | 'data'>>()

  /** For `planSweep`: notes what a point needs. */
  readonly note = (point: Point, pipeline: Pipeline, data: Task['data']): void => {
    this.texts.set(point.key, { text: portable(pipeline), data })
  }

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

/** The definition as it can be read in any folder: stage files by their absolute paths. */
function portable(pipeline: Pipeline): string {
  const base = process.cwd()
  const document = pipeline.toDocument({ allowObjects: true, base })
  const definition = document.toJS() as { stages: { use: string }[] }
  const stages = definition.stages.map((stage) => ({
    ...stage,
    use: isFile(stage.use) ? resolve(base, stage.use) : stage.use,
  }))
  return JSON.stringify({ ...definition, stages })
}
