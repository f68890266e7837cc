import { basename, dirname, resolve } from 'node:path'
import type { Job } from 'bullmq'
import { parseOutcome } from '../directory.js'
import type { Outcome } from '../executor.js'
import { isLost } from './lost.js'
import type { Server } from './server.js'
import type { Signed, Signer } from './signature.js'
import type { State } from './states.js'
import { jobIdOf, type PointResult, resultSchema, type Task, taskSchema } from './task.js'

/** Jobs to fetch at once. */
const BATCH = 500

/** A point that has ended, as the queue knows it. */
export interface EndedPoint {
  /** Whether the point is done. A point whose result is damaged or not signed as it must be counts as failed. */
  readonly status: 'done' | 'failed'
  /** How it ended. */
  readonly outcome: Outcome
  /**
   * The shared folder, as a path on the machine of the worker, or of the user who submitted a failed point. It is what
   * the queue says: nothing may be written there, and nothing read, without a check.
   */
  readonly artifacts: string | undefined
  /** The machine of the worker of a point that is done. */
  readonly host?: string | undefined
}

/** A job of a point, as far as it could be read. */
export type PointJob = Job<Signed<Task>, Signed<PointResult>>

/** Reads the jobs of points, by key. Those that are not at the queue, or that cannot be read, are left out. */
export async function readJobs({ points }: Server, keys: readonly string[]): Promise<Map<string, PointJob>> {
  const found = new Map<string, PointJob>()
  for (let at = 0; at < keys.length; at += BATCH)
    await Promise.all(
      keys.slice(at, at + BATCH).map(async (key) => {
        const job = await points.getJob(jobIdOf(key)).catch((error) => {
          // A job that cannot be parsed is as good as none.
          if (isLost(error)) throw error
          return undefined
        })
        if (job) found.set(key, job as PointJob)
      }),
    )
  return found
}

/** Reads the points that are done or failed, by key. @param states the states of all points, by the ids of their jobs */
export async function readResults(
  server: Server,
  keys: readonly string[],
  states: ReadonlyMap<string, State>,
  signer: Signer,
): Promise<Map<string, EndedPoint>> {
  const ended = keys.filter((key) => ['done', 'failed'].includes(states.get(jobIdOf(key)) ?? ''))
  const jobs = await readJobs(server, ended)
  return new Map(ended.map((key) => [key, endedPoint(key, states.get(jobIdOf(key))!, jobs.get(key), signer)]))
}

/** How a point that is done or failed has ended. */
export function endedPoint(key: string, state: State, job: PointJob | undefined, signer: Signer): EndedPoint {
  const failed = (error: string): EndedPoint => ({
    status: 'failed',
    outcome: { key, status: 'failed', error, seconds: 0 },
    artifacts: job && namedFolder(job, signer),
  })
  if (!job) return failed('it cannot be read at the queue')
  if (state === 'failed') return failed(formatFailure(String(job.failedReason ?? 'no reason is known')))
  const parsed = resultSchema.safeParse(job.returnvalue)
  const outcome = parsed.success ? parseOutcome(parsed.data.line) : undefined
  const problem = signer.problem('result', { key, ...job.returnvalue })
  if (problem) return failed(problem)
  if (!parsed.success || outcome?.status !== 'done' || outcome.key !== key)
    return failed('its result at the queue is damaged')
  const { directory, host } = parsed.data
  if (basename(directory) !== key || basename(dirname(directory)) !== 'points')
    return failed('its result at the queue is damaged: it names no run of this point')
  return { status: 'done', outcome, artifacts: resolve(directory, '../..'), host }
}

/** The folder that a job names. Undefined if that is not a sound path, or if the job is not signed as it must be. */
export function namedFolder({ data }: PointJob, signer: Signer): string | undefined {
  if (signer.problem('job', data)) return undefined
  const parsed = taskSchema.shape.artifacts.safeParse(data?.artifacts)
  return parsed.success ? parsed.data : undefined
}

/** Replaces the one reason that comes from BullMQ and not from a worker by words for users. */
function formatFailure(reason: string): string {
  return reason.startsWith('job stalled more than')
    ? 'its workers were lost again and again (killed or frozen); the point itself may be the cause'
    : reason
}
