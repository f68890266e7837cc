import { setTimeout } from 'node:timers/promises'
import type { Job, Queue, Worker, WorkerOptions } from 'bullmq'
import { messageOf } from '../../pipeline/base/errors.js'
import { show } from '../../pipeline/base/words.js'
import type { SweepRecord } from '../directory.js'
import { openBackend, withoutPassword } from './backend.js'
import { isLost } from './lost.js'
import { importOptional } from './packages.js'
import type { PointResult, Task } from './task.js'
import { unreadableJobs } from './unreadable.js'

/** How workers lock points. Times are in milliseconds. */
export interface LockSettings {
  /** A worker loses its point if it does not renew the lock for so long. */
  readonly lock: number
  /** How often workers look for points with an expired lock. */
  readonly check: number
  /** How often a point may be lost before it fails: it may be the point that kills its workers. */
  readonly losses: number
}

/** A connection to a server with two queues: points to run, and the sweeps that they belong to. */
export interface Server {
  /** The URL without the password. */
  readonly name: string
  /** Notes on the setup of the server, for example that a crash may lose results. */
  readonly warnings: readonly string[]
  /** The queue of the points. */
  readonly points: Queue<Task, PointResult>
  /** The records of the sweeps. No worker takes these jobs; they stay at the server for everybody to read. */
  readonly sweeps: Queue<SweepRecord>
  /** Makes a worker that runs `process` for as many points at a time as `jobs` says. It is not started. */
  worker(
    process: (job: Job<Task, PointResult>, token: string) => Promise<PointResult>,
    jobs: number,
    locks: LockSettings,
  ): Worker<Task, PointResult>
  /** Closes the connections. */
  close(): Promise<void>
}

/** Milliseconds to wait for a connection to close. A lost server never closes it. */
export const CLOSE_TIMEOUT = 2000

/** A queue or a worker of BullMQ. */
interface Connection {
  close(): Promise<void>
  readonly backend: { close(force: boolean): Promise<void> }
}

/**
 * Closes a queue or a worker. If that has not happened when `patience` resolves, cuts its connections: BullMQ waits for
 * the connection to end, which never happens while it is reconnecting. Returns whether it was closed.
 *
 * @param patience resolves when the wait is over; gets a signal that aborts once it is not needed any more
 */
export async function closeOrCut(
  connection: Connection,
  patience: (signal: AbortSignal) => Promise<void> = (signal) => pause(CLOSE_TIMEOUT, signal),
): Promise<boolean> {
  const finished = new AbortController()
  const { signal } = finished
  try {
    const closed = connection.close().then(() => true)
    const isClosed = await Promise.race([closed, patience(signal).then(() => false)])
    if (!isClosed) await Promise.race([connection.backend.close(true), pause(CLOSE_TIMEOUT, signal)])
    return isClosed
  } finally {
    finished.abort()
  }
}

/** Waits so many milliseconds. Rejects when `signal` aborts, so that no timer keeps the process alive. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return setTimeout(milliseconds, undefined, { signal })
}

const POINTS = 'millrace-points'
const SWEEPS = 'millrace-sweeps'

/**
 * Connects to the server of a URL, Redis or PostgreSQL. Throws as `openBackend` does.
 *
 * @param onTrouble called with a message when a connection is lost, again and again until it is back
 */
export async function openServer(url: string, onTrouble: (message: string) => void = () => {}): Promise<Server> {
  const { factory, connection, leave, close, warnings } = await openBackend(url)
  const name = withoutPassword(url)
  const onError = (error: Error): void =>
    onTrouble(
      isLost(error)
        ? `${name} does not answer; waiting until it is back`
        : `${name}: ${messageOf(error).replace(/\s+/g, ' ')}`,
    )
  const bullmq = await importOptional(() => import('bullmq'), ['bullmq'])
  const classes = bullmq.withBackend(factory)
  // Finished jobs stay at the server: they are the results, and a point that is there does not run again.
  const jobOptions = {
    removeOnComplete: false,
    removeOnFail: false,
    attempts: 3,
    backoff: { type: 'exponential', delay: 500 },
  }
  const points = new classes.Queue<Task, PointResult>(POINTS, { connection, defaultJobOptions: jobOptions })
  const sweeps = new classes.Queue<SweepRecord>(SWEEPS, { connection, defaultJobOptions: jobOptions })
  for (const queue of [points, sweeps]) queue.on('error', onError)
  await Promise.all([points.waitUntilReady(), sweeps.waitUntilReady()])
  return {
    name,
    warnings,
    points: points as unknown as Queue<Task, PointResult>,
    sweeps: sweeps as unknown as Queue<SweepRecord>,
    worker(process, jobs, { lock, check, losses }) {
      const options: Partial<WorkerOptions> = {
        concurrency: jobs,
        lockDuration: lock,
        stalledInterval: check,
        maxStalledCount: losses,
        // The wait before it asks again after the server was lost.
        runRetryDelay: 500,
        autorun: false,
      }
      const worker = new classes.Worker<Task, PointResult>(
        POINTS,
        (job, token) => process(job as unknown as Job<Task, PointResult>, token!),
        { connection, ...options },
      )
      const told = new Set<string>()
      // BullMQ does not say which job it could not parse.
      const tellUnreadable = async (error: SyntaxError): Promise<void> => {
        for (const id of await unreadableJobs(points as unknown as Queue)) {
          if (told.has(id)) continue
          told.add(id)
          onTrouble(`${show(id)} at ${name}: the job cannot be read, and no worker can end it: ${messageOf(error)}`)
        }
      }
      worker.on('error', (error) => {
        if (error instanceof SyntaxError) tellUnreadable(error).catch(onError)
        else onError(error)
      })
      return worker as unknown as Worker<Task, PointResult>
    },
    close: async () => {
      leave()
      await Promise.all([points, sweeps].map((queue) => closeOrCut(queue)))
      await Promise.race([close().catch(() => {}), setTimeout(CLOSE_TIMEOUT, undefined, { ref: false })])
    },
  }
}
