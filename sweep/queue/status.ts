import { type OnRemark, readSweeps } from './records.js'
import { readResults } from './results.js'
import type { Server } from './server.js'
import type { Signer } from './signature.js'
import { type State, statesOf } from './states.js'
import { jobIdOf } from './task.js'

/** The progress of a sweep: the numbers of its points by their state. */
export interface SweepStatus extends Readonly<Record<State, number>> {
  /** The name of the sweep. */
  readonly name: string
  /** All points. */
  readonly total: number
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
