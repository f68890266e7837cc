import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { slugOf } from '../../pipeline/base/slug.js'
import { shortPath } from '../../pipeline/base/words.js'
import { attempt, makeFolder } from '../../pipeline/files/files.js'
import { lockDirectory } from '../../pipeline/files/lock.js'
import {
  checkSweepPlace,
  isSweepDirectory,
  pointDirectory,
  readAllOutcomes,
  readPlan,
  type SweepRecord,
  writeOutcomes,
  writePlan,
} from '../directory.js'
import type { Outcome } from '../executor.js'
import { formatPoint } from '../point.js'
import { isRun } from './artifacts.js'
import { copyRun, errorOfRun } from './copy.js'
import { checkFolder, Folders } from './folders.js'
import { type EndedPoint, readResults } from './results.js'
import type { Server } from './server.js'
import type { Signer } from './signature.js'
import { statesOf } from './states.js'

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

/** Where results are read and written. */
export interface CollectOptions {
  /**
   * The directory of the sweep. Default: the shared folder, if it is named here or has all runs of the sweep already,
   * else `sweeps/NAME`.
   */
  readonly out?: string | undefined
  /** The shared folders. Default: those that the queue names, if they lie below the current folder. */
  readonly artifacts?: readonly string[] | undefined
  /** Checks the results. */
  readonly signer: Signer
}

/**
 * Writes the results at the queue into an ordinary directory of a sweep: `sweep.json`, `results.jsonl` and
 * `points/KEY`. Nothing is written anywhere else, and runs are read only from folders that were named here or lie below
 * the current one. Throws a PipelineError: `DATA` if points are neither done nor failed, or if the files of a point that
 * is done are missing, after all other points are written; `ARGUMENTS` if the directory has another sweep.
 */
export async function collect(
  server: Server,
  record: SweepRecord,
  { out, artifacts, signer }: CollectOptions,
): Promise<Collection> {
  const keys = record.points.map(({ key }) => key)
  const found = await readResults(server, keys, await statesOf(server), signer)
  const places = new Places(found, new Folders({ artifacts }))
  const directory = resolve(out ?? places.common() ?? join('sweeps', slugOf(record.name)))
  checkSweepPlace(directory)
  checkDirectory(directory, record)
  attempt('make the directory', directory, () => makeFolder(directory))
  const unlock = lockDirectory(directory)
  try {
    const problems: string[] = []
    const outcomes: Outcome[] = []
    for (const point of record.points) {
      const ended = found.get(point.key)
      if (!ended) continue
      const { outcome } = ended
      const [place, refusal] = places.of(point.key)
      outcomes.push({ ...outcome, error: (place && errorOfRun(place, outcome)) ?? outcome.error })
      if (outcome.status !== 'done') continue
      const problem = place === undefined ? refusal : copyRun(place, pointDirectory(directory, point))
      if (problem !== undefined) problems.push(`${formatPoint(point)}: ${problem}`)
    }
    const all = new Set(keys)
    writePlan(directory, record)
    writeOutcomes(directory, [...readAllOutcomes(directory).filter(({ key }) => !all.has(key)), ...outcomes])
    const missing = record.points.filter(({ key }) => !found.has(key))
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

/** Where the runs of points are, as paths on this machine. */
class Places {
  private readonly found: ReadonlyMap<string, EndedPoint>
  private readonly folders: Folders

  constructor(found: ReadonlyMap<string, EndedPoint>, folders: Folders) {
    this.found = found
    this.folders = folders
  }

  /** The run directory of a point, or why it may not be read. */
  of(key: string): [place: string | undefined, refusal?: string] {
    const named = this.found.get(key)?.artifacts
    if (named === undefined) return [undefined]
    try {
      const folder = this.folders.sharedFolder(named)
      checkFolder(join(folder, 'points'))
      return [pointDirectory(folder, { key })]
    } catch (error) {
      if (error instanceof PipelineError) return [undefined, error.message]
      throw error
    }
  }

  /**
   * The shared folder of all points that are done (or of all that failed, if none is done). Undefined if there are
   * several, or if the user has named none and a run is missing in it: then it is only the queue that says so.
   */
  common(): string | undefined {
    const all = [...this.found]
    const done = all.filter(([, { status }]) => status === 'done')
    const places = (done.length > 0 ? done : all).map(([key]) => this.of(key)[0])
    const [folder, ...others] = new Set(places.map((place) => place && resolve(place, '../..')))
    if (others.length > 0) return undefined
    return this.folders.isNamed || places.every((place) => place !== undefined && isRun(place)) ? folder : undefined
  }
}

/** Checks that a directory can take the results of a sweep: it has no plan of another one, and no links. */
function checkDirectory(directory: string, { points }: SweepRecord): void {
  if (!existsSync(directory)) return
  checkFolder(join(directory, 'points'))
  if (!isSweepDirectory(directory)) return
  const keys = new Set(points.map(({ key }) => key))
  if (readPlan(directory).points.every(({ key }) => keys.has(key))) return
  throw new PipelineError(
    'ARGUMENTS',
    `${shortPath(directory)} has another sweep, with points that this one has not; give another directory with --out`,
  )
}

function formatMissing(missing: readonly SweepRecord['points'][number][], total: number): string {
  const some = missing.slice(0, MAX_NAMED).map(formatPoint).join('; ')
  const more = missing.length > MAX_NAMED ? `; and ${missing.length - MAX_NAMED} more` : ''
  const hint = 'millrace sweep status tells whether they wait or run'
  return `${missing.length} of ${total} points are neither done nor failed: ${some}${more}; ${hint}`
}
