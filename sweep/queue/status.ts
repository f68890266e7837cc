import { PipelineError } from '../../pipeline/base/errors.js'
import { suggestion } from '../../pipeline/base/nearest.js'
import { parseRecord, type SweepRecord } from '../directory.js'
import type { Server } from './server.js'
import { jobIdOf } from './task.js'

/** The state of a point at the queue. */
type State = 'waiting' | 'running' | 'done' | 'failed'

/** The states, each with the state of a job in BullMQ. */
const jobStates: readonly (readonly [State, 'waiting' | 'delayed' | 'active' | 'completed' | 'failed'])[] = [
  // In the order a job passes through them. A job that changes state while we read is then counted twice, never missed.
  ['waiting', 'waiting'],
  ['waiting', 'delayed'],
  ['running', 'active'],
  ['failed', 'failed'],
  ['done', 'completed'],
]

/** The progress of a sweep: the numbers of its points by their state. */
export interface SweepStatus extends Readonly<Record<State, number>> {
  /** The name of the sweep. */
  readonly name: string
  /** All points. */
  readonly total: number
}

/** Reads the state of every point at the queue, by the id of its job. */
export async function statesOf({ points }: Server): Promise<Map<string, State>> {
  const states = new Map<string, State>()
  for (const [state, jobState] of jobStates)
    for (const id of await points.getRanges([jobState], 0, -1)) states.set(id, state)
  return states
}

/** Reads the records of the sweeps at the queue, sorted by name. */
async function readSweeps({ sweeps, name }: Server): Promise<SweepRecord[]> {
  const jobs = await sweeps.getJobs(['waiting'], 0, -1)
  const records = jobs.map(({ data, id }) => parseRecord(() => data, `${id} at ${name}`))
  return records.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Reads the progress of every sweep at the queue. */
export async function statusOf(server: Server): Promise<SweepStatus[]> {
  const sweeps = await readSweeps(server)
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

/**
 * Finds the sweep of a name, or the only sweep if `name` is undefined. Throws a PipelineError `ARGUMENTS` if there is
 * no such sweep, or if there are several to choose from.
 */
export async function sweepNamed(server: Server, name: string | undefined): Promise<SweepRecord> {
  const sweeps = await readSweeps(server)
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
