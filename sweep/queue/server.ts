import { setTimeout } from 'node:timers/promises'
import type { Job, Queue, Worker, WorkerOptions } from 'bullmq'
import type { SweepRecord } from '../directory.js'
import { openBackend, withoutPassword } from './backend.js'
import { optional } from './packages.js'
import type { PointResult, Task } from './task.js'

/** A sweep as it is known at the queue: what `sweep.json` says. */
export type Announced = SweepRecord

/** How points are held by workers. Times are in milliseconds. */
export interface Holding {
  /** A worker that does not renew its hold on a point for so long has lost it. */
  readonly lock: number
  /** How often workers look for points that were lost. */
  readonly check: number
  /** How often a point may be lost before it counts as failed: it may be what kills its workers. */
  readonly losses: number
}

/** Soon enough for a lost worker to be made up for within 10 s: the lock, and two checks. */
export const defaultHold: Holding = { lock: 6000, check: 1500, losses: 5 }

/** The queue at a server: points to be run, and the sweeps that they belong to. */
export interface Server {
  /** The URL without the password. */
  readonly name: string
  readonly warnings: readonly string[]
  readonly points: Queue<Task, PointResult>
  /** Nobody works on these: they are kept there for everyone to read. */
  readonly sweeps: Queue<Announced>
  worker(
    process: (job: Job<Task, PointResult>, token: string) => Promise<PointResult>,
    jobs: number,
    holding: Holding,
  ): Worker<Task, PointResult>
  close(): Promise<void>
}

/** Milliseconds that a server has to take leave, which it cannot where it is away. */
export const FAREWELL = 2000

/** What BullMQ connects: a queue or a worker. */
interface Connected {
  close(): Promise<void>
  readonly backend: { close(force: boolean): Promise<void> }
}

/**
 * Closes it, or cuts its connections where that has not come about when `patience` ends. (BullMQ waits for the end of
 * the connection, which never comes where that is just being made again.) Returns whether it was closed.
 */
export async function closeOrCut(
  connected: Connected,
  patience: (signal: AbortSignal) => Promise<void> = (signal) => pause(FAREWELL, signal),
): Promise<boolean> {
  const enough = new AbortController()
  const { signal } = enough
  try {
    const closed = connected.close().then(() => true)
    const isClosed = await Promise.race([closed, patience(signal).then(() => false)])
    if (!isClosed) await Promise.race([connected.backend.close(true), pause(FAREWELL, signal)])
    return isClosed
  } finally {
    enough.abort()
  }
}

/** Rejects when `signal` aborts, so that nobody waits for it any more. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(milliseconds, undefined, { signal })
}

const POINTS = 'millrace-points'
const SWEEPS = 'millrace-sweeps'

/**
 * Connects to the server of a URL, Redis or PostgreSQL. `onError` is told of connections that were lost, again and again
 * until they are back. Throws as `openBackend` does.
 */
export async function openServer(url: string, onError: (error: Error) => void = () => {}): Promise<Server> {
  const { factory, connection, leave, warnings } = await openBackend(url)
  const bullmq = await optional(() => import('bullmq'), ['bullmq'])
  const classes = bullmq.withBackend(factory)
  // Finished points stay: they are the results, and what is there is not run again.
  const keep = {
    removeOnComplete: false,
    removeOnFail: false,
    attempts: 3,
    backoff: { type: 'exponential', delay: 500 },
  }
  const points = new classes.Queue<Task, PointResult>(POINTS, { connection, defaultJobOptions: keep })
  const sweeps = new classes.Queue<Announced>(SWEEPS, { connection, defaultJobOptions: keep })
  for (const queue of [points, sweeps]) queue.on('error', onError)
  await Promise.all([points.waitUntilReady(), sweeps.waitUntilReady()])
  return {
    name: withoutPassword(url),
    warnings,
    points: points as unknown as Queue<Task, PointResult>,
    sweeps: sweeps as unknown as Queue<Announced>,
    worker(process, jobs, { lock, check, losses }) {
      const options: Partial<WorkerOptions> = {
        concurrency: jobs,
        lockDuration: lock,
        stalledInterval: check,
        maxStalledCount: losses,
        // How soon it asks again after the server was away.
        runRetryDelay: 500,
        autorun: false,
      }
      const worker = new classes.Worker<Task, PointResult>(
        POINTS,
        (job, token) => process(job as unknown as Job<Task, PointResult>, token!),
        { connection, ...options },
      )
      worker.on('error', onError)
      return worker as unknown as Worker<Task, PointResult>
    },
    close: async () => {
      leave()
      await Promise.all([points, sweeps].map((queue) => closeOrCut(queue)))
    },
  }
}
