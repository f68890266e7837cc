import type { Trust } from '../pipeline/definition/trust.js'
import type { Executor, Outcome } from './executor.js'
import { Job } from './job.js'
import type { Point } from './point.js'
import { SharedData } from './shared-data.js'

/** How a thread pool executes points. */
export interface PoolOptions {
  /** The number of points that run at the same time, each in a thread of its own. */
  readonly jobs: number
  /** Threads of the kernel of each point. Default: 1, or one per core if `jobs` is 1. */
  readonly threads?: number | undefined
  /** How often to write checkpoints. Default: as the pipeline says. */
  readonly checkpoint?: string | undefined
  /** What the definition is allowed to do. */
  readonly trust?: Trust | undefined
  /** The run directory of a point. */
  readonly directoryOf: (point: Point) => string
}

/**
 * Executes points in threads of this process. The threads start at once. Prepared data is in memory once, and all
 * threads share it.
 */
export function threadPool({ jobs, threads, checkpoint, trust = {}, directoryOf }: PoolOptions): Executor {
  const idle = Array.from({ length: jobs }, () => new Job())
  const all = [...idle]
  const data = new SharedData(trust)

  async function execute(job: Job, point: Point, signal: AbortSignal): Promise<Outcome> {
    const prepared = await data.of(point, signal)
    if (signal.aborted) return { key: point.key, status: 'interrupted', seconds: 0 }
    const settings = {
      directory: directoryOf(point),
      trust,
      checkpoint,
      threads: threads ?? (jobs > 1 ? 1 : undefined),
    }
    return job.execute(point, settings, prepared, signal)
  }

  async function* run(points: readonly Point[], signal: AbortSignal): AsyncGenerator<Outcome> {
    const waiting = points.values()
    const busy = new Map<Job, Promise<readonly [Job, () => Outcome]>>()
    try {
      for (;;) {
        while (idle.length > 0 && !signal.aborted) {
          const { value: point, done } = waiting.next()
          if (done) break
          const job = idle.pop()!
          busy.set(job, settled(job, execute(job, point, signal)))
        }
        if (busy.size === 0) return
        const [job, outcomeOf] = await Promise.race(busy.values())
        busy.delete(job)
        idle.push(job)
        yield outcomeOf()
      }
    } finally {
      // After an error, or if nobody wants the other outcomes, these jobs can be used again when they end.
      for (const ended of busy.values()) void ended.then(([job]) => idle.push(job))
    }
  }

  return {
    run,
    close: async () => {
      await Promise.all([data.close(), ...all.map((job) => job.close())])
    },
  }
}

/** A job when it has ended, with a function that returns its outcome or throws its error. Never rejects. */
function settled(job: Job, outcome: Promise<Outcome>): Promise<readonly [Job, () => Outcome]> {
  return outcome.then(
    (value) => [job, () => value],
    (error) => [
      job,
      () => {
        throw error
      },
    ],
  )
}
