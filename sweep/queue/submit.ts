import { PipelineError } from '../../pipeline/base/errors.js'
import { version } from '../../pipeline/base/package.js'
import { recordOf, type SweepRecord } from '../directory.js'
import type { Plan } from '../point.js'
import type { Server } from './server.js'
import { statesOf } from './status.js'
import { jobIdOf, type Task } from './task.js'

/** Points to send at once. */
const BATCH = 500

/** The result of `submit`. */
export interface Submission {
  /** The name of the sweep. */
  readonly name: string
  /** All points of the sweep. */
  readonly total: number
  /** Points that were not at the queue before. */
  readonly added: number
  /** Points that had failed and will run again. */
  readonly retried: number
}

/**
 * Puts a sweep on the queue. Points that are at the queue already, in any state, are not added again. A sweep of the
 * same name is replaced, and its points stay. Throws a PipelineError `ARGUMENTS` if the sweep has a halving.
 *
 * @param tasks the points of the plan
 * @param retry whether points that failed run again
 */
export async function submit(server: Server, plan: Plan, tasks: readonly Task[], retry: boolean): Promise<Submission> {
  if (plan.halving)
    throw new PipelineError(
      'ARGUMENTS',
      'a queue cannot compare points, as halving needs; run the sweep on one machine, or leave "halving" out',
    )
  const states = await statesOf(server)
  const added = tasks.filter(({ key }) => !states.has(jobIdOf(key)))
  await addSweep(server, recordOf(plan, version))
  for (let at = 0; at < added.length; at += BATCH)
    await server.points.addBulk(
      added.slice(at, at + BATCH).map((task) => ({ name: 'point', data: task, opts: { jobId: jobIdOf(task.key) } })),
    )
  const failed = retry ? tasks.filter(({ key }) => states.get(jobIdOf(key)) === 'failed') : []
  for (const { key } of failed) await (await server.points.getJob(jobIdOf(key)))?.retry('failed')
  return { name: plan.name, total: tasks.length, added: added.length, retried: failed.length }
}

/** Adds the record of the sweep. It comes before the points, so that every point at the queue belongs to a sweep. */
async function addSweep({ sweeps }: Server, record: SweepRecord): Promise<void> {
  const jobId = sweepIdOf(record.name)
  const known = await sweeps.getJob(jobId)
  if (known) await known.updateData(record)
  else await sweeps.add('sweep', record, { jobId })
}

/** The id of the job that holds the record of a sweep. */
function sweepIdOf(name: string): string {
  return `sweep-${name}`
}
