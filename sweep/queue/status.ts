import { PipelineError } from '../../pipeline/base/errors.js'
import { suggestion } from '../../pipeline/base/nearest.js'
import { parseRecord } from '../directory.js'
import type { Announced, Server } from './server.js'
import { jobIdOf } from './task.js'

export type State = 'waiting' | 'running' | 'done' | 'failed'

/** BullMQ's words for them. */
const types: readonly (readonly [State, 'waiting' | 'delayed' | 'active' | 'completed' | 'failed'])[] = [
  // In the order of a point's life: one that moves on meanwhile is seen twice rather than not at all.
  ['waiting', 'waiting'],
  ['waiting', 'delayed'],
  ['running', 'active'],
  ['failed', 'failed'],
  ['done', 'completed'],
]

/** How far a sweep is. */
export interface SweepStatus extends Readonly<Record<State, number>> {
  readonly name: string
  readonly total: number
}

/** What every point at the queue is doing, by the name of its job. */
export async function statesOf({ points }: Server): Promise<Map<string, State>> {
  const states = new Map<string, State>()
  for (const [state, type] of types) for (const id of await points.getRanges([type], 0, -1)) states.set(id, state)
  return states
}

/** The sweeps at the queue, by name. */
export async function sweepsOf({ sweeps, name }: Server): Promise<Announced[]> {
  const jobs = await sweeps.getJobs(['waiting'], 0, -1)
  const records = jobs.map(({ data, id }) => parseRecord(() => data, `${id} at ${name}`))
  return records.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** How far the sweeps are. */
export async function statusOf(server: Server): Promise<SweepStatus[]> {
  const sweeps = await sweepsOf(server)
  const states = await statesOf(server)
  return sweeps.map(({ name, points }) => {
    const count = (state: State): number => points.filter(({ key }) => states.get(jobIdOf(key)) === state).length
    const counts = {
      waiting: count('waiting'),
      running: count('running'),
      done: count('done'),
      failed: count('failed'),
    }
    return { name, total: points.length, ...counts }
  })
}

/** The sweep of a name, or the only one. Throws a PipelineError `ARGUMENTS` where it is not clear which. */
export async function sweepNamed(server: Server, name: string | undefined): Promise<Announced> {
  const sweeps = await sweepsOf(server)
  const names = sweeps.map((each) => each.name)
  const found = name === undefined ? sweeps : sweeps.filter((each) => each.name === name)
  if (found.length === 1) return found[0]!
  const what =
    sweeps.length === 0
      ? 'no sweep was submitted; millrace sweep submit does that'
      : name === undefined
        ? `there are several sweeps, say which: ${names.join(', ')}`
        : `no sweep named "${name}"${suggestion(name, names, 'sweeps')}`
  throw new PipelineError('ARGUMENTS', `${server.name}: ${what}`)
}
