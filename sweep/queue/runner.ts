import { hostname } from 'node:os'
import type { Job } from 'bullmq'
import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { firstIssue } from '../../pipeline/definition/issues.js'
import { formatOutcome } from '../directory.js'
import type { Executor, Outcome } from '../executor.js'
import type { Point } from '../point.js'
import { threadPool } from '../pool.js'
import { Artifacts } from './artifacts.js'
import { Definitions } from './definitions.js'
import type { Folders } from './folders.js'
import { reasonOf, refusalOf, unknownReason } from './refusal.js'
import { CLOSE_TIMEOUT, pause } from './server.js'
import type { Signed, Signer } from './signature.js'
import { jobIdOf, type PointResult, type Task, taskSchema } from './task.js'
import type { WorkOptions } from './work-options.js'

/** Milliseconds between two looks at what is left or running. */
export const POLL_INTERVAL = 250

/** Milliseconds for interrupted points to end and to be handed back. */
const HAND_BACK_TIMEOUT = 10_000

/** How a point ended. */
interface Ended {
  /** The outcome, with the whole message of an error. */
  readonly outcome: Outcome
  /** Why the point failed, as the queue may know it. */
  readonly reason: string
}

/** Runs the points that a worker has taken from the queue. */
export class TaskRunner {
  private readonly options: WorkOptions
  private readonly signer: Signer
  private readonly bullmq: typeof import('bullmq')
  private readonly folders: Folders
  private readonly definitions: Definitions
  private readonly executor: Executor
  private readonly interruption = new AbortController()
  /** Aborts a job whose lock was lost, by the id of the job. */
  private readonly running = new Map<string, AbortController>()
  private readonly directories = new Map<Point, string>()

  constructor(options: WorkOptions, signer: Signer, folders: Folders, bullmq: typeof import('bullmq')) {
    const { jobs, threads } = options
    this.options = options
    this.signer = signer
    this.bullmq = bullmq
    this.folders = folders
    this.definitions = new Definitions(options.trust ?? {}, folders)
    const { trust } = this.definitions
    this.executor = threadPool({ jobs, threads, trust, directoryOf: (point) => this.directories.get(point)! })
  }

  /** Runs a point. BullMQ stores the return value as its result, if the worker still has the lock by then. */
  async process(job: Job<Signed<Task>, Signed<PointResult>>, token: string): Promise<Signed<PointResult>> {
    const id = job.id!
    const lost = new AbortController()
    this.running.set(id, lost)
    try {
      return await this.processTask(this.taskOf(job), job, token, lost.signal)
    } catch (error) {
      throw this.forQueue(error, id)
    } finally {
      this.running.delete(id)
    }
  }

  /** The task of a job. Throws if it is none, or if it does not come from someone who has the secret. */
  private taskOf({ id, data }: Job<Signed<Task>>): Task {
    const { signature: _, ...rest } = (data ?? {}) as Signed<Task>
    const parsed = taskSchema.safeParse(rest)
    const problem =
      this.signer.problem('job', data) ??
      (parsed.success ? undefined : `the submitted task is damaged: ${firstIssue(parsed.error)}`) ??
      (jobIdOf(rest.key) === id ? undefined : 'the submitted task is damaged: it has the id of another point')
    if (problem === undefined) return parsed.data!
    this.options.onEvent({ type: 'refused', job: id ?? '', message: problem })
    throw new this.bullmq.UnrecoverableError(problem)
  }

  private async processTask(task: Task, job: Job, token: string, lost: AbortSignal): Promise<Signed<PointResult>> {
    const { options } = this
    const attempt = `${hostname()}-${process.pid}-${token.replaceAll(':', '-')}`
    let artifacts: Artifacts | undefined
    try {
      const ended = await this.execute(task, AbortSignal.any([lost, this.interruption.signal]), () => {
        const prepared = new Artifacts(this.folders.sharedFolder(task.artifacts), task.key, attempt)
        prepared.begin()
        artifacts = prepared
        return prepared.working
      })
      const { outcome, reason } = ended
      if (lost.aborted) return this.giveUp(task)
      if (outcome.status === 'interrupted') return await this.handBack(job, token, artifacts, task)
      // The lock may have been lost a moment ago: check before the files are published.
      if (!(await this.renewLock(job, token))) return this.giveUp(task)
      artifacts?.publish()
      options.onEvent({ type: 'outcome', outcome, task })
      if (outcome.status === 'failed') throw new this.bullmq.UnrecoverableError(reason)
      const { key } = task
      const result = { line: formatOutcome(outcome), directory: artifacts!.published, host: hostname() }
      const { key: __, ...signed } = this.signer.sign('result', { key, ...result })
      return signed
    } finally {
      artifacts?.discard()
    }
  }

  /** Checks and runs a point. @param prepare makes its run directory and returns it */
  private async execute(task: Task, signal: AbortSignal, prepare: () => string): Promise<Ended> {
    const { key } = task
    const point = this.definitions.pointOf(task)
    try {
      const { graph } = await this.definitions.check(point, task)
      this.directories.set(point, prepare())
      const titles = graph.nodes.map(({ title }) => title)
      for await (const outcome of this.executor.run([point], signal))
        if (outcome.status !== 'interrupted') return { outcome, reason: reasonOf(outcome, task, titles) }
      // A point goes back to the queue only if this worker ends: else it would take the same point again and again.
      if (!signal.aborted) throw new Error('the point ended without an outcome')
      return { outcome: { key, status: 'interrupted', seconds: 0 }, reason: '' }
    } catch (error) {
      const { message, detail } = refusalOf(error)
      return { outcome: { key, status: 'failed', error: detail, seconds: 0 }, reason: message }
    } finally {
      this.directories.delete(point)
      this.definitions.forget(point)
    }
  }

  /** The error that goes to the queue: without a stack, and without a message that may quote anything of this machine. */
  private forQueue(error: unknown, job: string): Error {
    const isControl = error instanceof Error && this.isControl(error)
    if (!isControl && !(error instanceof PipelineError))
      this.options.onEvent({ type: 'trouble', message: `${job}: ${messageOf(error)}` })
    const told = isControl
      ? error
      : new Error(error instanceof PipelineError ? refusalOf(error).message : unknownReason())
    told.stack = ''
    return told
  }

  private isControl(error: Error): boolean {
    const { UnrecoverableError, WaitingError } = this.bullmq
    return error instanceof UnrecoverableError || error instanceof WaitingError || error instanceof LostError
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
    throw new LostError('another worker has this point by now')
  }

  private async handBack(job: Job, token: string, artifacts: Artifacts | undefined, task: Task): Promise<never> {
    artifacts?.handBack()
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

/** The lock of a point was lost. */
class LostError extends Error {}
