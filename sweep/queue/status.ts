import { type OnRemark, readSweeps } from './records.js'
import { readResults } from './results.js'
import type { Server } from './server.js'
import type { Signer } from './signature.js'
import { jobIdOf } from './task.js'

/** The state of a point at the queue. */
export type State = 'waiting' | 'running' | 'done' | 'failed'

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

/**
 * Reads the progress of every sweep at the queue. If results must be signed, one without a valid signature counts as
 * failed. Malformed records are passed over, with a remark.
 */
export async function statusOf(server: Server, signer: Signer, onRemark: OnRemark = () => {}): Promise<SweepStatus[]> {
  const sweeps = await readSweeps(server, signer, onRemark)
  const states = await statesOf(server)
  if (signer.isRequired) {
    const keys = sweeps.flatMap(({ points }) => points.map(({ key }) => key))
    const done = keys.filter((key) => states.get(jobIdOf(key)) === 'done')
    for (const [key, { status }] of await readResults(server, done, states, signer)) states.set(jobIdOf(key), status)
  }
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
