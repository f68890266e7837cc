import { parentPort } from 'node:worker_threads'
// Gives the built-in stages to the registry.
import '../index.js'
import { asPipelineError } from '../pipeline/base/errors.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import { abandonRuns } from '../pipeline/run/abandon.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import { executePoint } from './execute.js'
import type { PointSettings } from './executor.js'
import type { Point } from './point.js'

/** A message to the thread of a job. */
export type WorkerMessage =
  | {
      /** Execute a point and answer with its outcome. */
      readonly type: 'execute'
      /** The point. */
      readonly point: Point
      /** How to execute it. */
      readonly settings: PointSettings
      /** Its data, if it was prepared already. */
      readonly prepared: Prepared | undefined
    }
  | {
      /** Interrupt the point that is running. */
      readonly type: 'stop'
    }

// The thread of one job: it executes the points that it receives, one after another, and answers with their outcomes.
const port = parentPort!
let stop = new AbortController()
// The stages load while the thread has nothing else to do.
void builtInStages()
// An error that no code waits for ends this thread; the job reports it.
process.on('uncaughtExceptionMonitor', (error) => abandonRuns(asPipelineError(error)))

port.on('message', async (message: WorkerMessage) => {
  if (message.type === 'stop') return stop.abort()
  stop = new AbortController()
  const { point, settings, prepared } = message
  port.postMessage(await executePoint(point, settings, stop.signal, prepared))
})
