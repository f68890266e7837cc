import { Worker } from 'node:worker_threads'
import { checkRoomForThreads } from '../kernels/memory.js'
import { messageOf } from '../pipeline/base/errors.js'
import { entryPoint } from '../pipeline/base/package.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import type { Outcome, PointSettings } from './executor.js'
import type { Point } from './point.js'
import type { WorkerMessage } from './worker.js'

/** Megabytes for short-lived objects, per thread. The default of V8 is ten times as much and no faster here. */
const YOUNG_GENERATION = 4

function startWorker(): Worker {
  checkRoomForThreads(1)
  return new Worker(entryPoint('sweep/worker.js'), {
    // Without this, workers inherit the module loaders of the process and start ten times slower.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION },
  })
}

/** A thread that executes one point at a time. It starts at once, and starts again after it has died. */
export class Job {
  private worker: Worker | undefined = startWorker()

  /**
   * Executes a point. If the thread dies, or if the point cannot be sent to it, the outcome is `failed`. Rejects only
   * if no thread can be started.
   */
  async execute(
    point: Point,
    settings: PointSettings,
    prepared: Prepared | undefined,
    signal: AbortSignal,
  ): Promise<Outcome> {
    this.worker ??= startWorker()
    const worker = this.worker
    const send = (message: WorkerMessage): void => worker.postMessage(message)
    const stop = (): void => send({ type: 'stop' })
    const listening = new AbortController()
    const outcome = new Promise<Outcome>((resolve) => {
      const fail = (why: string): void => {
        this.worker = undefined
        resolve({ key: point.key, status: 'failed', error: `the thread of the job ended: ${why}`, seconds: 0 })
      }
      const listeners = {
        message: resolve,
        error: (error: unknown) => fail(messageOf(error)),
        exit: (code: number) => fail(`with code ${code}`),
      }
      for (const [name, listener] of Object.entries(listeners)) {
        worker.once(name, listener)
        listening.signal.addEventListener('abort', () => worker.off(name, listener))
      }
    })
    try {
      send({ type: 'execute', point, settings, prepared })
      signal.addEventListener('abort', stop)
      return await outcome
    } catch (error) {
      const why = `the point cannot be sent to a thread: ${messageOf(error)}`
      return { key: point.key, status: 'failed', error: why, seconds: 0 }
    } finally {
      signal.removeEventListener('abort', stop)
      listening.abort()
    }
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    await this.worker?.terminate()
    this.worker = undefined
  }
}
