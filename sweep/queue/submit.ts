import { PipelineError } from '../../pipeline/base/errors.js'
import { version } from '../../pipeline/base/package.js'
import { recordOf } from '../directory.js'
import type { Plan } from '../point.js'
import type { Announced, Server } from './server.js'
import { statesOf } from './status.js'
import { jobIdOf, type Task } from './task.js'

/** Points that are sent at once. */
const MANY = 500

export interface Submitted {
  readonly name: string
  readonly total: number
  /** Points that were not at the queue before. */
  readonly added: number
  /** Points that had failed and are going to be run again. */
  readonly retried: number
}

/**
 * Puts a sweep on the queue, each point once: those that are there, waiting or run, are left alone. With `retry`, points
 * that failed are run again. A sweep of the same name is replaced; the points that it had stay.
 */
export async function submit(server: Server, plan: Plan, tasks: readonly Task[], retry: boolean): Promise<Submitted> {
  if (plan.halving)
    throw new PipelineError(
      'ARGUMENTS',
      'halving compares points while the sweep goes on, which a queue cannot; run the sweep on one machine, or leave "halving" out',
    )
  const states = await statesOf(server)
  const added = tasks.filter(({ key }) => !states.has(jobIdOf(key)))
  await announce(server, recordOf(plan, version))
  for (let at = 0; at < added.length; at += MANY)
    await server.points.addBulk(
      added.slice(at, at + MANY).map((task) => ({ name: 'point', data: task, opts: { jobId: jobIdOf(task.key) } })),
    )
  const failed = retry ? tasks.filter(({ key }) => states.get(jobIdOf(key)) === 'failed') : []
  for (const { key } of failed) await (await server.points.getJob(jobIdOf(key)))?.retry('failed')
  return { name: plan.name, total: tasks.length, added: added.length, retried: failed.length }
}

/** Says what the sweep is, before its first point is there. */
async function announce({ sweeps }: Server, record: Announced): Promise<void> {
  const jobId = sweepIdOf(record.name)
  const known = await sweeps.getJob(jobId)
  if (known) await known.updateData(record)
  else await sweeps.add('sweep', record, { jobId })
}

/** The name of a sweep at the queue. */
export function sweepIdOf(name: string): string {
  return `sweep-${name}`
}
