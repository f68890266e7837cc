import { Worker } from 'node:worker_threads'
import { messageOf } from '../pipeline/base/errors.js'
import type { Prepared } from '../pipeline/run/prepared.js'
import type { Outcome, PointSettings } from './executor.js'
import type { Point } from './point.js'
import type { WorkerMessage } from './worker.js'

/** Megabytes for what lives shortly, per thread: V8's default is ten times as much, and no faster here. */
const YOUNG = 4

function startWorker(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), {
    // Workers would otherwise inherit the loaders of the process, and start ten times slower.
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG },
  })
}

/** One job: a thread that executes one point at a time. It is started at once, and again after it died. */
export class Job {
  private worker: Worker | undefined = startWorker()

  /** Executes a point. Never rejects; a thread that dies on the way is a failure of the point. */
  async execute(
    point: Point,
    surroundings: PointSettings,
    prepared: Prepared | undefined,
    signal: AbortSignal,
  ): Promise<Outcome> {
    this.worker ??= startWorker()
    const worker = this.worker
    const tell = (order: WorkerMessage): void => worker.postMessage(order)
    const stop = (): void => tell({ type: 'stop' })
    const listening = new AbortController()
    const outcome = new Promise<Outcome>((resolve) => {
      const failed = (why: string): void => {
        this.worker = undefined
        resolve({ key: point.key, status: 'failed', error: `the thread of the job ended: ${why}`, seconds: 0 })
      }
      const listeners = {
        message: resolve,
        error: (error: unknown) => failed(messageOf(error)),
        exit: (code: number) => failed(`with code ${code}`),
      }
      for (const [name, listener] of Object.entries(listeners)) {
        worker.once(name, listener)
        listening.signal.addEventListener('abort', () => worker.off(name, listener))
      }
    })
    tell({ type: 'execute', point, surroundings, prepared })
    signal.addEventListener('abort', stop)
    try {
      return await outcome
    } finally {
      signal.removeEventListener('abort', stop)
      listening.abort()
    }
  }

  async close(): Promise<void> {
    await this.worker?.terminate()
    this.worker = undefined
  }
}
