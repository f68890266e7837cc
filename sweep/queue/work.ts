import { hostname } from 'node:os'
import type { Job } from 'bullmq'
import { messageOf } from '../../pipeline/base/errors.js'
import type { Trust } from '../../pipeline/definition/trust.js'
import { formatOutcome } from '../directory.js'
import type { Executor, Outcome } from '../executor.js'
import type { Point } from '../point.js'
import { threadPool } from '../pool.js'
import { Artifacts } from './artifacts.js'
import { Definitions } from './definitions.js'
import { CLOSE_TIMEOUT, closeOrCut, type LockSettings, openServer, pause, type Server } from './server.js'
import { type PointResult, type Task, taskSchema } from './task.js'

/** How to work at a queue. */
export interface WorkOptions {
  /**
   * The number of points that run at the same time, each in a thread of its own. The main thread renews their locks.
   */
  readonly jobs: number
  /** Threads of the kernel of each point. Default: 1, or one per core if `jobs` is 1. */
  readonly threads?: number | undefined
  /** What the definitions are allowed to do. */
  readonly trust?: Trust | undefined
  /** How points are locked. */
  readonly locks: LockSettings
  /** The shared folder, if it has another path here than on the machine that submitted the sweep. */
  readonly artifacts?: string | undefined
  /** Seconds that points may take to end after `signal` has aborted. Then they are interrupted and handed back. */
  readonly grace: number
  /** Ends when no point is left at the queue, neither waiting nor running anywhere. */
  readonly untilDone?: boolean | undefined
  /** Ends the work: no further point starts. */
  readonly signal: AbortSignal
  /** Called when the worker is ready for points. */
  readonly onReady?: ((server: Server) => void) | undefined
  /** Called for everything that a user may want to see. */
  readonly onEvent: (event: WorkEvent) => void
}

/** An event of a worker. */
export type WorkEvent =
  /** A point has ended. */
  | { readonly type: 'outcome'; readonly outcome: Outcome; readonly task: Task }
  /** The worker has lost a point, because it did not renew the lock in time. */
  | { readonly type: 'lost'; readonly task: Task }
  /** The worker has handed a point back, because it is about to end. */
  | { readonly type: 'handed-back'; readonly task: Task }
  /** The connection to the server has an error. */
  | { readonly type: 'trouble'; readonly message: string }

/**
 * Runs points from the queue of a server until `signal` aborts or, with `untilDone`, until none is left. Returns
 * whether the connection was closed. If it was not, because the server was lost, timers of BullMQ keep the process
 * alive.
 */
export async function work(url: string, options: WorkOptions): Promise<boolean> {
  const trouble = (error: Error): void => options.onEvent({ type: 'trouble', message: messageOf(error) })
  const server = await openServer(url, trouble)
  const bullmq = await import('bullmq')
  const runner = new TaskRunner(options, bullmq)
  const worker = server.worker((job, token) => runner.process(job, token), options.jobs, options.locks)
  let isClosed: boolean
  try {
    worker.on('lockRenewalFailed', (ids) => runner.lose(ids))
    const running = worker.run()
    options.onReady?.(server)
    await Promise.race([
      running,
      aborted(options.signal),
      ...(options.untilDone ? [allDone(server, options.signal)] : []),
    ])
  } finally {
    isClosed = await closeOrCut(worker, (signal) => runner.end(signal))
    if (!isClosed)
      options.onEvent({
        type: 'trouble',
        message:
          'the server did not answer at the end; other workers get the unfinished points when their locks expire',
      })
    await runner.close()
    await server.close()
  }
  return isClosed
}

/** Milliseconds between two checks of the number of points that are left. */
const POLL_INTERVAL = 250

/** Milliseconds for interrupted points to end and to be handed back. */
const HAND_BACK_TIMEOUT = 10_000

async function allDone({ points }: Server, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // While the server is lost, this call waits for it.
    const { waiting, active, delayed } = await points.getJobCounts('waiting', 'active', 'delayed')
    if (waiting! + active! + delayed! === 0) return
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL))
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Runs the points that a worker has taken from the queue. */
class TaskRunner {
  private readonly options: WorkOptions
  private readonly bullmq: typeof import('bullmq')
  private readonly definitions: Definitions
  private readonly executor: Executor
  private readonly interruption = new AbortController()
  /** Aborts a job whose lock was lost, by the id of the job. */
  private readonly running = new Map<string, AbortController>()
  private readonly directories = new Map<Point, string>()

  constructor(options: WorkOptions, bullmq: typeof import('bullmq')) {
    const { jobs, threads, trust = {} } = options
    this.options = options
    this.bullmq = bullmq
    this.definitions = new Definitions(trust)
    this.executor = threadPool({ jobs, threads, trust, directoryOf: (point) => this.directories.get(point)! })
  }

  /** Runs a point. BullMQ stores the return value as its result, if the worker still has the lock by then. */
  async process(job: Job<Task, PointResult>, token: string): Promise<PointResult> {
    const { bullmq, options } = this
    const parsed = taskSchema.safeParse(job.data)
    if (!parsed.success)
      throw new bullmq.UnrecoverableError(`the submitted task is damaged: ${parsed.error.issues[0]?.path.join('.')}`)
    const task = parsed.data
    const attempt = `${hostname()}-${process.pid}-${token.replaceAll(':', '-')}`
    const artifacts = new Artifacts(options.artifacts ?? task.artifacts, task.key, attempt)
    const lost = new AbortController()
    this.running.set(job.id!, lost)
    try {
      const outcome = await this.execute(task, artifacts, AbortSignal.any([lost.signal, this.interruption.signal]))
      if (lost.signal.aborted) return this.giveUp(task)
      if (outcome.status === 'interrupted') return await this.handBack(job, token, artifacts, task)
      // The lock may have been lost a moment ago: check before the files are published.
      if (!(await this.renewLock(job, token))) return this.giveUp(task)
      artifacts.publish()
      options.onEvent({ type: 'outcome', outcome, task })
      if (outcome.status === 'failed') throw new bullmq.UnrecoverableError(outcome.error)
      return { line: formatOutcome(outcome), directory: artifacts.published, host: hostname() }
    } finally {
      this.running.delete(job.id!)
      artifacts.discard()
    }
  }

  private async execute(task: Task, artifacts: Artifacts, signal: AbortSignal): Promise<Outcome> {
    const point = this.definitions.pointOf(task)
    const failed = (error: string): Outcome => ({ key: task.key, status: 'failed', error, seconds: 0 })
    try {
      const difference = await this.definitions.difference(point, task)
      if (difference) return failed(difference)
      artifacts.begin()
      this.directories.set(point, artifacts.working)
      for await (const outcome of this.executor.run([point], signal)) return outcome
      return { key: task.key, status: 'interrupted', seconds: 0 }
    } catch (error) {
      return failed(messageOf(error))
    } finally {
      this.directories.delete(point)
      this.definitions.forget(point)
    }
  }

  /**
   * Renews the lock of a point. Returns whether the worker has it. An answer that took longer than the lock lasts does
   * not count: this process may have been suspended meanwhile.
   */
  private async renewLock(job: Job, token: string): Promise<boolean> {
    const { lock } = this.options.locks
    const start = performance.now()
    return (await job.extendLock(token, lock)) > 0 && performance.now() - start < lock
  }

  private giveUp(task: Task): never {
    this.options.onEvent({ type: 'lost', task })
    throw new Error('another worker has this point by now')
  }

  private async handBack(job: Job, token: string, artifacts: Artifacts, task: Task): Promise<never> {
    artifacts.handBack()
    await job.moveToWait(token)
    this.options.onEvent({ type: 'handed-back', task })
    throw new this.bullmq.WaitingError()
  }

  /** Stops the jobs with these ids: their locks are lost, and other workers may have them by now. */
  lose(ids: readonly string[]): void {
    for (const id of ids) this.running.get(id)?.abort()
  }

  /** Waits for points to end, interrupts them when their time is over, and gives BullMQ a moment to tell the server. */
  async end(signal: AbortSignal): Promise<void> {
    await Promise.race([this.idle(signal), pause(this.options.grace * 1000, signal)])
    this.interruption.abort()
    await Promise.race([this.idle(signal), pause(HAND_BACK_TIMEOUT, signal)])
    await pause(CLOSE_TIMEOUT, signal)
  }

  /** Resolves when no point is running. */
  private async idle(signal: AbortSignal): Promise<void> {
    while (this.running.size > 0) await pause(POLL_INTERVAL, signal)
  }

  /** Ends the threads and removes temporary files. */
  async close(): Promise<void> {
    await this.executor.close()
    this.definitions.close()
  }
}
