import { hostname } from 'node:os'
import type { Job } from 'bullmq'
import { messageOf } from '../../pipeline/base/errors.js'
import type { Trust } from '../../pipeline/definition/trust.js'
import { lineOf } from '../directory.js'
import type { Executor, Outcome } from '../executor.js'
import type { Point } from '../point.js'
import { threadPool } from '../pool.js'
import { Artifacts } from './artifacts.js'
import { Definitions } from './definitions.js'
import { closeOrCut, FAREWELL, type Holding, openServer, pause, type Server } from './server.js'
import { type PointResult, type Task, task } from './task.js'

export interface WorkOptions {
  /** Points executed at the same time, each in a thread of its own: this one renews the hold on them. */
  readonly jobs: number
  readonly threads?: number | undefined
  readonly trust?: Trust | undefined
  readonly holding: Holding
  /** The shared folder, where it has another path here than where the sweep was submitted. */
  readonly artifacts?: string | undefined
  /** Seconds that points may take to end once `signal` has aborted; then they are cut off and handed back. */
  readonly grace: number
  /** Ends when no point is left, waiting or run by anyone. */
  readonly untilDone?: boolean | undefined
  /** Ends the work: nothing new is begun. */
  readonly signal: AbortSignal
  /** Told when points may come. */
  readonly onReady?: ((server: Server) => void) | undefined
  /** What happened that the user may want to know. */
  readonly onEvent: (event: WorkEvent) => void
}

export type WorkEvent =
  | { readonly type: 'outcome'; readonly outcome: Outcome; readonly task: Task }
  /** It was taken from this worker, which did not answer for too long. */
  | { readonly type: 'lost'; readonly task: Task }
  /** It was given back, because the worker is to end. */
  | { readonly type: 'handed-back'; readonly task: Task }
  | { readonly type: 'trouble'; readonly message: string }

/**
 * Works at the queue of a server until `signal` aborts or, if asked to, until nothing is left. Returns whether the server
 * was there to take leave of; where it was not, timers of BullMQ's stay behind that keep the process from ending.
 */
export async function work(url: string, options: WorkOptions): Promise<boolean> {
  const trouble = (error: Error): void => options.onEvent({ type: 'trouble', message: messageOf(error) })
  const server = await openServer(url, trouble)
  const bullmq = await import('bullmq')
  const working = new Working(options, bullmq)
  const worker = server.worker((job, token) => working.process(job, token), options.jobs, options.holding)
  let isClosed: boolean
  try {
    worker.on('lockRenewalFailed', (ids) => working.lose(ids))
    const running = worker.run()
    options.onReady?.(server)
    await Promise.race([
      running,
      aborted(options.signal),
      ...(options.untilDone ? [allDone(server, options.signal)] : []),
    ])
  } finally {
    isClosed = await closeOrCut(worker, (signal) => working.end(signal))
    if (!isClosed)
      options.onEvent({
        type: 'trouble',
        message: 'the server did not answer at the end; points in hand go to others when their lock has run out',
      })
    await working.close()
    await server.close()
  }
  return isClosed
}

/** Milliseconds between looks at what is left. */
const LOOK = 250

/** Milliseconds in which points that are cut off end, and can be handed back. */
const CUT = 10_000

async function allDone({ points }: Server, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // While the server is away this waits for it.
    const { waiting, active, delayed } = await points.getJobCounts('waiting', 'active', 'delayed')
    if (waiting! + active! + delayed! === 0) return
    await new Promise((resolve) => setTimeout(resolve, LOOK))
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** The points that one worker has in hand. */
class Working {
  private readonly options: WorkOptions
  private readonly bullmq: typeof import('bullmq')
  private readonly definitions: Definitions
  private readonly executor: Executor
  private readonly cut = new AbortController()
  private readonly held = new Map<string, AbortController>()
  private readonly places = new Map<Point, string>()

  constructor(options: WorkOptions, bullmq: typeof import('bullmq')) {
    const { jobs, threads, trust = {} } = options
    this.options = options
    this.bullmq = bullmq
    this.definitions = new Definitions(trust)
    this.executor = threadPool({ jobs, threads, trust, directoryOf: (point) => this.places.get(point)! })
  }

  /** Runs a point. What it gives back is kept as its result, if the worker still has it by then. */
  async process(job: Job<Task, PointResult>, token: string): Promise<PointResult> {
    const { bullmq, options } = this
    const parsed = task.safeParse(job.data)
    if (!parsed.success)
      throw new bullmq.UnrecoverableError(`what was submitted is damaged: ${parsed.error.issues[0]?.path.join('.')}`)
    const given = parsed.data
    const holder = `${hostname()}-${process.pid}-${token.replaceAll(':', '-')}`
    const artifacts = new Artifacts(options.artifacts ?? given.artifacts, given.key, holder)
    const lost = new AbortController()
    this.held.set(job.id!, lost)
    try {
      const outcome = await this.execute(given, artifacts, AbortSignal.any([lost.signal, this.cut.signal]))
      if (lost.signal.aborted) return this.giveUp(given)
      if (outcome.status === 'interrupted') return await this.handBack(job, token, artifacts, given)
      // The last look before its files take their place: it may have been lost a moment ago.
      if (!(await this.holds(job, token))) return this.giveUp(given)
      artifacts.publish()
      options.onEvent({ type: 'outcome', outcome, task: given })
      if (outcome.status === 'failed') throw new bullmq.UnrecoverableError(outcome.error)
      return { line: lineOf(outcome), directory: artifacts.published, host: hostname() }
    } finally {
      this.held.delete(job.id!)
      artifacts.discard()
    }
  }

  private async execute(given: Task, artifacts: Artifacts, signal: AbortSignal): Promise<Outcome> {
    const point = this.definitions.pointOf(given)
    const failed = (error: string): Outcome => ({ key: given.key, status: 'failed', error, seconds: 0 })
    try {
      const difference = await this.definitions.difference(point, given)
      if (difference) return failed(difference)
      artifacts.begin()
      this.places.set(point, artifacts.working)
      for await (const outcome of this.executor.run([point], signal)) return outcome
      return { key: given.key, status: 'interrupted', seconds: 0 }
    } catch (error) {
      return failed(messageOf(error))
    } finally {
      this.places.delete(point)
      this.definitions.forget(point)
    }
  }

  /** Renews the hold on a point. An answer that is older than the hold lasts, as where this process was stopped, is none. */
  private async holds(job: Job, token: string): Promise<boolean> {
    const { lock } = this.options.holding
    const asked = performance.now()
    return (await job.extendLock(token, lock)) > 0 && performance.now() - asked < lock
  }

  private giveUp(given: Task): never {
    this.options.onEvent({ type: 'lost', task: given })
    throw new Error('another worker has this point by now')
  }

  private async handBack(job: Job, token: string, artifacts: Artifacts, given: Task): Promise<never> {
    artifacts.handBack()
    await job.moveToWait(token)
    this.options.onEvent({ type: 'handed-back', task: given })
    throw new this.bullmq.WaitingError()
  }

  /** These are others' by now. */
  lose(ids: readonly string[]): void {
    for (const id of ids) this.held.get(id)?.abort()
  }

  /** Lets points end, cuts them off when their time is over, and leaves BullMQ a moment to tell the server. */
  async end(signal: AbortSignal): Promise<void> {
    await Promise.race([this.idle(signal), pause(this.options.grace * 1000, signal)])
    this.cut.abort()
    await Promise.race([this.idle(signal), pause(CUT, signal)])
    await pause(FAREWELL, signal)
  }

  /** Resolves when no point is in hand. */
  private async idle(signal: AbortSignal): Promise<void> {
    while (this.held.size > 0) await pause(LOOK, signal)
  }

  async close(): Promise<void> {
    await this.executor.close()
    this.definitions.close()
  }
}
