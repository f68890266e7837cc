import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { slugOf } from '../../pipeline/base/slug.js'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { lockDirectory } from '../../pipeline/files/lock.js'
import {
  parseOutcome,
  pointDirectory,
  readAllOutcomes,
  type SweepRecord,
  writeOutcomes,
  writePlan,
} from '../directory.js'
import type { Outcome } from '../executor.js'
import { formatPoint } from '../point.js'
import type { Server } from './server.js'
import { jobIdOf } from './task.js'

/** Jobs to fetch at once. */
const BATCH = 1000

/** Missing points that a message names one by one. */
const MAX_NAMED = 5

/** The result of `collect`. */
export interface Collection {
  /** The directory of the sweep. */
  readonly directory: string
  /** Points that are done or failed. */
  readonly total: number
  /** Points that are done. */
  readonly done: number
  /** Points that failed. */
  readonly failed: number
}

/** A point that has ended, as the queue knows it. */
interface EndedPoint {
  readonly outcome: Outcome
  /** The run directory of a point that is done, as a path on the machine of its worker. */
  readonly directory?: string
  /** The shared folder, as a path on the machine of the worker, or of the user who submitted a failed point. */
  readonly artifacts: string
}

/**
 * Writes the results at the queue into an ordinary directory of a sweep: `sweep.json`, `results.jsonl` and
 * `points/KEY`. Throws a PipelineError `DATA` if points are neither done nor failed, or if the files of a point that is
 * done are missing. By then, all other points are written.
 *
 * @param out the directory; default: the shared folder, which has the files already
 * @param artifacts the shared folder, if it has another path on this machine
 */
export async function collect(
  server: Server,
  record: SweepRecord,
  { out, artifacts }: { readonly out?: string | undefined; readonly artifacts?: string | undefined },
): Promise<Collection> {
  const found = await readEndedPoints(server, new Set(record.points.map(({ key }) => jobIdOf(key))))
  const directory = resolve(out ?? artifacts ?? commonFolder(found) ?? join('sweeps', slugOf(record.name)))
  attempt('make the directory', directory, () => makeFolder(directory))
  const unlock = lockDirectory(directory)
  try {
    const problems: string[] = []
    const outcomes: Outcome[] = []
    const missing = record.points.filter(({ key }) => !found.has(jobIdOf(key)))
    for (const point of record.points) {
      const { outcome, directory: runDirectory } = found.get(jobIdOf(point.key)) ?? {}
      if (!outcome) continue
      outcomes.push(outcome)
      if (outcome.status !== 'done') continue
      const from = artifacts === undefined ? runDirectory! : pointDirectory(artifacts, point)
      if (!copyRun(from, pointDirectory(directory, point))) problems.push(`${formatPoint(point)}: no files in ${from}`)
    }
    const keys = new Set(record.points.map(({ key }) => key))
    writePlan(directory, record)
    writeOutcomes(directory, [...readAllOutcomes(directory).filter(({ key }) => !keys.has(key)), ...outcomes])
    if (missing.length > 0) problems.unshift(formatMissing(missing, record.points.length))
    if (problems.length > 0)
      throw new PipelineError(
        'DATA',
        problems.map((message) => ({ message })),
      )
    const failed = outcomes.filter(({ status }) => status === 'failed').length
    return { directory, total: outcomes.length, done: outcomes.length - failed, failed }
  } finally {
    unlock()
  }
}

function formatMissing(missing: readonly SweepRecord['points'][number][], total: number): string {
  const some = missing.slice(0, MAX_NAMED).map(formatPoint).join('; ')
  const more = missing.length > MAX_NAMED ? `; and ${missing.length - MAX_NAMED} more` : ''
  const hint = 'millrace sweep status tells whether they wait or run'
  return `${missing.length} of ${total} points are neither done nor failed: ${some}${more}; ${hint}`
}

/** Reads the points that have ended, by the ids of their jobs. */
async function readEndedPoints({ points }: Server, wanted: ReadonlySet<string>): Promise<Map<string, EndedPoint>> {
  const found = new Map<string, EndedPoint>()
  for (const state of ['failed', 'completed'] as const)
    for (let at = 0; ; at += BATCH) {
      const jobs = await points.getJobs([state], at, at + BATCH - 1, true)
      for (const { id, data, returnvalue, failedReason } of jobs) {
        if (!wanted.has(id!)) continue
        const outcome = state === 'completed' ? parseOutcome(returnvalue?.line ?? '') : undefined
        if (outcome) {
          const { directory } = returnvalue
          found.set(id!, { outcome, directory, artifacts: resolve(directory, '../..') })
        } else {
          const error = state === 'completed' ? 'its result at the queue is damaged' : formatFailure(failedReason)
          found.set(id!, { outcome: { key: data.key, status: 'failed', error, seconds: 0 }, artifacts: data.artifacts })
        }
      }
      if (jobs.length < BATCH) break
    }
  return found
}

/** Replaces the one reason that comes from BullMQ and not from a worker by words for users. */
function formatFailure(reason: string): string {
  return reason.startsWith('job stalled more than')
    ? 'its workers were lost again and again (killed or frozen); the point itself may be the cause'
    : reason
}

/** The shared folder, if all points that are done agree on one (or all points, if none is done) and it exists here. */
function commonFolder(found: ReadonlyMap<string, EndedPoint>): string | undefined {
  const all = [...found.values()]
  const done = all.filter(({ directory }) => directory !== undefined)
  const folders = new Set((done.length > 0 ? done : all).map(({ artifacts }) => artifacts))
  const [folder] = folders
  return folders.size === 1 && existsSync(folder!) ? folder : undefined
}

/** Copies a run, whole or not at all. Returns false if there is none. */
function copyRun(from: string, to: string): boolean {
  if (existsSync(join(to, 'run.json'))) return true
  if (!existsSync(join(from, 'run.json'))) return false
  const part = `${to}.part`
  attempt('copy', to, () => {
    rmSync(part, { recursive: true, force: true })
    cpSync(from, part, { recursive: true })
    rmSync(to, { recursive: true, force: true })
    renameSync(part, to)
  })
  return true
}
