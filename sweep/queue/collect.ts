import { cpSync, existsSync, renameSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { lockDirectory } from '../../pipeline/files/lock.js'
import { allOutcomes, outcomeIn, pointDirectory, writeOutcomes, writePlan } from '../directory.js'
import type { Outcome } from '../executor.js'
import { formatPoint } from '../point.js'
import type { Announced, Server } from './server.js'
import { jobIdOf } from './task.js'

/** Jobs that are fetched at once. */
const MANY = 1000

/** Missing points that are told one by one. */
const FEW = 5

export interface Collected {
  readonly directory: string
  readonly total: number
  readonly done: number
  readonly failed: number
}

interface Found {
  readonly outcome: Outcome
  /** Where the files of a point lie that is done. */
  readonly directory?: string
  /** The shared folder, as its worker calls it, or who submitted it. */
  readonly artifacts: string
}

/**
 * Makes an ordinary directory of a sweep of what came of its points: `sweep.json`, `results.jsonl` and `points/KEY`.
 * Throws a PipelineError `DATA` where points are neither done nor failed, or where files of points that are done cannot be
 * had; what there is has been written by then.
 *
 * @param directory default: the folder where the files lie already
 * @param artifacts the shared folder, where it has another path here
 */
export async function collect(
  server: Server,
  record: Announced,
  { out, artifacts }: { readonly out?: string | undefined; readonly artifacts?: string | undefined },
): Promise<Collected> {
  const found = await resultsOf(server, new Set(record.points.map(({ key }) => jobIdOf(key))))
  const directory = resolve(out ?? artifacts ?? commonFolder(found) ?? join('sweeps', record.name))
  attempt('make the directory', directory, () => makeFolder(directory))
  const unlock = lockDirectory(directory)
  try {
    const problems: string[] = []
    const outcomes: Outcome[] = []
    const missing = record.points.filter(({ key }) => !found.has(jobIdOf(key)))
    for (const point of record.points) {
      const { outcome, directory: place } = found.get(jobIdOf(point.key)) ?? {}
      if (!outcome) continue
      outcomes.push(outcome)
      if (outcome.status !== 'done') continue
      const from = artifacts === undefined ? place! : pointDirectory(artifacts, point)
      if (!bring(from, pointDirectory(directory, point))) problems.push(`${formatPoint(point)}: no files in ${from}`)
    }
    const keys = new Set(record.points.map(({ key }) => key))
    writePlan(directory, record)
    writeOutcomes(directory, [...allOutcomes(directory).filter(({ key }) => !keys.has(key)), ...outcomes])
    if (missing.length > 0) problems.unshift(wordMissing(missing, record.points.length))
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

function wordMissing(missing: readonly Announced['points'][number][], total: number): string {
  const some = missing.slice(0, FEW).map(formatPoint).join('; ')
  const more = missing.length > FEW ? `; and ${missing.length - FEW} more` : ''
  return `${missing.length} of ${total} points are neither done nor failed: ${some}${more}; millrace sweep status tells whether they wait or run`
}

/** What came of the points, by the names of their jobs. */
async function resultsOf({ points }: Server, wanted: ReadonlySet<string>): Promise<Map<string, Found>> {
  const found = new Map<string, Found>()
  for (const state of ['failed', 'completed'] as const)
    for (let at = 0; ; at += MANY) {
      const jobs = await points.getJobs([state], at, at + MANY - 1, true)
      for (const { id, data, returnvalue, failedReason } of jobs) {
        if (!wanted.has(id!)) continue
        const outcome = state === 'completed' ? outcomeIn(returnvalue?.line ?? '') : undefined
        if (outcome) {
          const { directory } = returnvalue
          found.set(id!, { outcome, directory, artifacts: resolve(directory, '../..') })
        } else {
          const error = state === 'completed' ? 'its result at the queue is damaged' : formatFailure(failedReason)
          found.set(id!, { outcome: { key: data.key, status: 'failed', error, seconds: 0 }, artifacts: data.artifacts })
        }
      }
      if (jobs.length < MANY) break
    }
  return found
}

/** BullMQ's own reason is the only one that is not worded by a worker. */
function formatFailure(reason: string): string {
  return reason.startsWith('job stalled more than')
    ? 'its workers were lost again and again, killed or frozen; it may be what ends them'
    : reason
}

/** The shared folder, where all points that are done agree on one, or all points do, that is to be seen from here. */
function commonFolder(found: ReadonlyMap<string, Found>): string | undefined {
  const all = [...found.values()]
  const done = all.filter(({ directory }) => directory !== undefined)
  const folders = new Set((done.length > 0 ? done : all).map(({ artifacts }) => artifacts))
  const [folder] = folders
  return folders.size === 1 && existsSync(folder!) ? folder : undefined
}

/** Copies a run, whole or not at all; false where there is none. */
function bring(from: string, to: string): boolean {
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
