import type { Server } from './server.js'

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

/** Reads the state of every point at the queue, by the id of its job. */
export async function statesOf({ points }: Server): Promise<Map<string, State>> {
  const states = new Map<string, State>()
  for (const [state, jobState] of jobStates)
    for (const id of await points.getRanges([jobState], 0, -1)) states.set(id, state)
  return states
}
