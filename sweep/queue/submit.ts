import { existsSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { version } from '../../pipeline/base/package.js'
import { pointDirectory, recordOf, type SweepRecord } from '../directory.js'
import type { Plan } from '../point.js'
import { isRun } from './artifacts.js'
import { readSweep, sweepIdOf } from './records.js'
import { endedPoint, namedFolder, readJobs } from './results.js'
import type { Server } from './server.js'
import type { Signer } from './signature.js'
import { type State, statesOf } from './states.js'
import { jobIdOf, type Task } from './task.js'

/** Points to send at once. */
const BATCH = 500

/** Sweeps of one name at a queue. */
const MAX_NAMESAKES = 1000

/** The result of `submit`. */
export interface Submission {
  /** The name of the sweep at the queue. */
  readonly name: string
  /** All points of the sweep. */
  readonly total: number
  /** Points that were not at the queue before. */
  readonly added: number
  /** Points that had failed, or whose runs are gone, and that will run again. */
  readonly retried: number
  /** Points that are done although their runs are gone; they are not run again without `retry`. */
  readonly gone: number
  /** Points whose runs go, or went, to another shared folder than the one given now, by folder. */
  readonly elsewhere: Readonly<Record<string, number>>
}

/** How to submit a sweep. */
export interface SubmitOptions {
  /** The name of the sweep at the queue, from `freeName`. */
  readonly name: string
  /** Whether points run again that failed, or whose runs are gone. */
  readonly retry: boolean
  /** Signs the jobs. */
  readonly signer: Signer
}

/**
 * The name that a sweep gets at a queue: that of its pipeline, or with a number behind it if that name belongs to a
 * sweep with other points. A sweep that has all points of an earlier one continues it under its name. Throws a
 * PipelineError `ARGUMENTS` if the sweep has a halving.
 */
export async function freeName(server: Server, plan: Plan, signer: Signer): Promise<string> {
  if (plan.halving)
    throw new PipelineError(
      'ARGUMENTS',
      'a queue cannot compare points, as halving needs; run the sweep on one machine, or leave "halving" out',
    )
  const keys = new Set(plan.points.map(({ key }) => key))
  for (let number = 1; number <= MAX_NAMESAKES; number++) {
    const name = number === 1 ? plan.name : `${plan.name}-${number}`
    // A name whose record cannot be used is taken, too.
    const known = await readSweep(server, sweepIdOf(name), signer).catch((error) => {
      if (error instanceof PipelineError) return 'unusable' as const
      throw error
    })
    if (known === undefined) return name
    if (known !== 'unusable' && known.points.every(({ key }) => keys.has(key))) return name
  }
  throw new PipelineError('ARGUMENTS', `there are ${MAX_NAMESAKES} sweeps named "${plan.name}" at ${server.name}`)
}

/**
 * Puts a sweep on the queue. Points that are at the queue already, in any state, are not added again. Throws a
 * PipelineError `ARGUMENTS` if another sweep has taken the name in the meantime.
 *
 * @param tasks the points of the plan
 */
export async function submit(
  server: Server,
  plan: Plan,
  tasks: readonly Task[],
  { name, retry, signer }: SubmitOptions,
): Promise<Submission> {
  const states = await statesOf(server)
  const added = tasks.filter(({ key }) => !states.has(jobIdOf(key)))
  await addSweep(server, { ...recordOf(plan, version), name }, signer)
  for (let at = 0; at < added.length; at += BATCH)
    await server.points.addBulk(
      added.slice(at, at + BATCH).map((task) => ({
        name: 'point',
        data: signer.sign('job', task),
        opts: { jobId: jobIdOf(task.key) },
      })),
    )
  const known = tasks.filter(({ key }) => states.has(jobIdOf(key)))
  const { retried, gone, elsewhere } = await lookAt(server, known, states, { retry, signer })
  return { name, total: tasks.length, added: added.length, retried, gone, elsewhere }
}

/** Looks at points that are at the queue already, and runs them again if they need it and `retry` is set. */
async function lookAt(
  server: Server,
  tasks: readonly Task[],
  states: ReadonlyMap<string, State>,
  { retry, signer }: Pick<SubmitOptions, 'retry' | 'signer'>,
): Promise<Pick<Submission, 'retried' | 'gone' | 'elsewhere'>> {
  const jobs = await readJobs(
    server,
    tasks.map(({ key }) => key),
  )
  const elsewhere: Record<string, number> = {}
  let [retried, gone] = [0, 0]
  for (const task of tasks) {
    const [job, state] = [jobs.get(task.key), states.get(jobIdOf(task.key))!]
    const ended = state === 'done' || state === 'failed' ? endedPoint(task.key, state, job, signer) : undefined
    const isGone = ended?.status === 'done' && hasLostRun(task, ended.artifacts!, ended.host)
    if (job && ended && retry && (ended.status === 'failed' || isGone)) {
      await job.updateData(signer.sign('job', task))
      await job.retry(state === 'done' ? 'completed' : 'failed')
      retried++
      continue
    }
    if (isGone) gone++
    const folder = ended ? (ended.status === 'done' ? ended.artifacts : undefined) : job && namedFolder(job, signer)
    if (folder !== undefined && folder !== task.artifacts) elsewhere[folder] = (elsewhere[folder] ?? 0) + 1
  }
  return { retried, gone, elsewhere }
}

/**
 * Whether the run of a point that is done is gone, as far as this machine can tell: the shared folder may not be there
 * at all on the machine that submits.
 */
function hasLostRun({ key, artifacts }: Task, folder: string, host: string | undefined): boolean {
  if ([folder, artifacts].some((each) => isRun(pointDirectory(each, { key })))) return false
  return host === hostname() || existsSync(dirname(folder))
}

/** Adds the record of the sweep. It comes before the points, so that every point at the queue belongs to a sweep. */
async function addSweep(server: Server, record: SweepRecord, signer: Signer): Promise<void> {
  const { sweeps } = server
  const jobId = sweepIdOf(record.name)
  const data = signer.sign('sweep', record)
  const known = await sweeps.getJob(jobId)
  if (known) await known.updateData(data)
  else await sweeps.add('sweep', data, { jobId })
  // If two are submitted at the same moment, the job of one of them is not added.
  const stored = await readSweep(server, jobId, signer)
  if (JSON.stringify(stored?.points) === JSON.stringify(record.points)) return
  throw new PipelineError('ARGUMENTS', `another sweep named "${record.name}" was submitted at this moment; try again`)
}
