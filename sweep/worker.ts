import { parentPort } from 'node:worker_threads'
import { builtInStages } from '../index.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import { executePoint } from './execute.js'
import type { PointSettings } from './executor.js'
import type { Point } from './point.js'

/** What a job's thread is told. */
export type WorkerMessage =
  | {
      readonly type: 'execute'
      readonly point: Point
      readonly surroundings: PointSettings
      readonly prepared: Prepared | undefined
    }
  | { readonly type: 'stop' }

/** The thread of one job: executes the points it is sent, one after another, and answers with their outcomes. */
const port = parentPort!
let stop = new AbortController()
// Loaded while there is nothing to do yet.
void builtInStages()

port.on('message', async (order: WorkerMessage) => {
  if (order.type === 'stop') return stop.abort()
  stop = new AbortController()
  const { point, surroundings, prepared } = order
  port.postMessage(await executePoint(point, surroundings, stop.signal, prepared))
})
