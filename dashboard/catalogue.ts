import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { messageOf, PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { entryInside, hasInside } from '../pipeline/files/inside.js'
import { type Attempt, sweepAttempts } from '../report/attempts.js'
import { lastMetricsIn } from '../report/evaluations.js'
import { readNotes, readRecord, readSettings } from '../report/index.js'
import { isSweepDirectory } from '../sweep/directory.js'
import type { RunSummary, RunsEvent, Value } from './contract.js'
import { metricsFile } from './growing-metrics.js'

/** Folders are searched for runs so deep below those that the user names. */
const DEPTH = 3

/** More runs are not listed. */
const MOST_RUNS = 20_000

/** Time in milliseconds after which the search lets others have the event loop. */
const SLICE = 15

interface Known {
  readonly directory: string
  readonly summary: RunSummary
  /** The number of the change that made the summary. */
  readonly change: number
  /** Tells whether the files are as they were. */
  readonly state: string
}

/** The runs in the directories that the user names, as they come and change. */
export class Catalogue {
  private readonly roots: readonly string[]
  private readonly known = new Map<string, Known>()
  private readonly gone: { readonly id: string; readonly change: number }[] = []
  /** Different for each start, so that no page takes the changes of another server for those of this one. */
  private readonly start = randomBytes(4).toString('hex')
  private change = 0
  private isComplete = false
  private searching: Promise<void> | undefined

  /** @param roots directories of runs, of sweeps, or folders of those; they need not exist yet */
  constructor(roots: readonly string[]) {
    this.roots = roots.map((root) => resolve(root))
  }

  /** The state of the list. */
  get version(): string {
    return `${this.start}.${this.change}.${Number(this.isComplete)}`
  }

  /** The runs, in the order in which they were found. */
  get runs(): readonly RunSummary[] {
    return [...this.known.values()].map(({ summary }) => summary)
  }

  /** The directory of a run; undefined if no run has this id. */
  directoryOf(id: string): string | undefined {
    return this.known.get(id)?.directory
  }

  /** The row of a run. */
  summaryOf(id: string): RunSummary | undefined {
    return this.known.get(id)?.summary
  }

  /** The folders in which new runs appear, and the directories of runs that are not over. */
  get watched(): readonly string[] {
    const running = [...this.known.values()].filter(({ summary }) => summary.status === 'running')
    return [...this.roots, ...running.slice(0, 100).map(({ directory }) => directory)]
  }

  /** What changed since a version; everything if it is of another server. */
  since(version: string): RunsEvent | undefined {
    if (version === this.version) return undefined
    const [start, change = '0'] = version.split('.')
    const isWhole = start !== this.start
    const from = isWhole ? -1 : Number(change)
    return {
      version: this.version,
      isWhole,
      isComplete: this.isComplete,
      changed: [...this.known.values()].filter((run) => run.change > from).map(({ summary }) => summary),
      removed: isWhole ? [] : this.gone.filter((run) => run.change > from).map(({ id }) => id),
    }
  }

  /** Looks at all directories again. Calls at the same time share one look. */
  search(): Promise<void> {
    this.searching ??= this.searchAll().finally(() => {
      this.searching = undefined
    })
    return this.searching
  }

  private async searchAll(): Promise<void> {
    const seen = new Set<string>()
    let since = performance.now()
    for (const root of this.roots)
      for (const found of places(root, DEPTH)) {
        if (seen.size >= MOST_RUNS) break
        for (const id of this.look(found)) {
          if (id !== undefined) seen.add(id)
          if (performance.now() - since < SLICE) continue
          await turn()
          since = performance.now()
        }
      }
    for (const id of this.known.keys())
      if (!seen.has(id)) {
        this.known.delete(id)
        this.gone.push({ id, change: ++this.change })
      }
    this.gone.splice(0, this.gone.length - 1000)
    this.isComplete = true
  }

  /** Looks at a run, or at the points of a sweep, in steps. Gives their ids, and undefined where a step has none. */
  private *look({ directory, isSweep }: Place): Generator<string | undefined> {
    const own = idOf(directory)
    const state = stateOf(directory, isSweep ? ['sweep.json', 'results.jsonl', 'results', 'points'] : undefined)
    if (!isSweep) {
      if (this.known.get(own)?.state !== state) this.keep(directory, state, summaryOf(directory))
      yield own
      return
    }
    const before = this.sweeps.get(directory)
    // Points that run write into their own directories, which the state does not have.
    if (before?.state === state && !before.isRunning) {
      yield* before.ids
      return
    }
    const ids: string[] = []
    let isRunning = false
    for (const point of pointsOf(directory)) {
      if (point) {
        const { directory: place, summary } = point
        this.keep(place, JSON.stringify(summary), summary)
        ids.push(summary.id)
        isRunning ||= summary.status === 'running'
      }
      yield point?.summary.id
    }
    this.sweeps.set(directory, { state, ids, isRunning })
  }

  private readonly sweeps = new Map<string, { state: string; ids: readonly string[]; isRunning: boolean }>()

  private keep(directory: string, state: string, summary: RunSummary): void {
    if (this.known.get(summary.id)?.state === state) return
    this.known.set(summary.id, { directory, state, summary, change: ++this.change })
  }
}

interface Place {
  readonly directory: string
  readonly isSweep: boolean
}

/** The directories of runs and sweeps in a folder, which may be one itself. What cannot be read has none. */
function* places(folder: string, depth: number): Generator<Place> {
  if (isSweepDirectory(folder)) return yield { directory: folder, isSweep: true }
  if (hasInside(folder, 'run.json')) return yield { directory: folder, isSweep: false }
  if (depth === 0) return
  for (const name of foldersIn(folder)) yield* places(join(folder, name), depth - 1)
}

function foldersIn(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
      .map(({ name }) => name)
  } catch {
    return []
  }
}

/** A name for addresses that tells nothing of the path, and is the same whenever the server runs. */
function idOf(directory: string): string {
  return createHash('sha256').update(directory).digest('hex').slice(0, 12)
}

/** Sizes and times of the files that a summary is made from. */
function stateOf(directory: string, names: readonly string[] | undefined): string {
  const files = names ?? ['run.json', 'notes.json', 'pipeline.yaml', metricsFileOr(directory)]
  return files
    .map((name) => {
      try {
        const status = entryInside(directory, name)
        return status ? `${status.mtimeMs}:${status.size}` : ''
      } catch {
        return '?'
      }
    })
    .join()
}

function metricsFileOr(directory: string): string {
  try {
    return metricsFile(directory) ?? 'metrics.csv'
  } catch {
    return 'metrics.csv'
  }
}

function summaryOf(directory: string): RunSummary {
  const base = { id: idOf(directory), path: shortPath(directory), ...readNotes(directory) }
  try {
    const record = readRecord(directory)
    const settings = readSettings(directory, record, [])
    const { name, status, error, seed, started, timings } = record
    return {
      ...base,
      name,
      status,
      error,
      seed,
      started,
      seconds: timings?.total,
      settings,
      final: finite(lastMetricsIn(directory, [])),
    }
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    return { ...base, name: '', status: 'unreadable', error: messageOf(error), seed: 0, settings: {}, final: {} }
  }
}

/** The points of a sweep, in steps; undefined where a step has none. A sweep that cannot be read is a point itself. */
function* pointsOf(
  directory: string,
): Generator<{ readonly directory: string; readonly summary: RunSummary } | undefined> {
  const sweep = shortPath(directory)
  try {
    const { attempts } = yield* sweepAttempts(directory)
    for (const attempt of attempts) yield { directory: attempt.directory, summary: summaryOfPoint(attempt, sweep) }
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    const summary = { path: sweep, name: '', status: 'unreadable', seed: 0, settings: {}, final: {}, tags: [] }
    yield { directory, summary: { ...summary, id: idOf(directory), error: messageOf(error) } }
  }
}

function summaryOfPoint(attempt: Attempt, sweep: string): RunSummary {
  const { directory, name, status, error, seed, fold, settings, final } = attempt
  return {
    id: idOf(directory),
    path: shortPath(directory),
    name,
    status,
    error,
    seed,
    fold,
    sweep,
    settings,
    final: finite(final ?? runningMetrics(attempt)),
    tags: [],
  }
}

function runningMetrics({ status, directory }: { readonly status: string; readonly directory: string }) {
  return status === 'running' ? lastMetricsIn(directory, []) : undefined
}

function finite(row: Readonly<Record<string, number>> | undefined): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(row ?? {}).map(([name, value]) => [name, Number.isFinite(value) ? value : String(value)]),
  )
}

/** Throws a PipelineError `ARGUMENTS` that names every path that is no directory. */
export function checkRoots(roots: readonly string[]): void {
  const problems = roots
    .filter((root) => !statSync(root, { throwIfNoEntry: false })?.isDirectory())
    .map((root) => ({
      message: `${shortPath(root)} is no directory; give directories of runs or sweeps, or folders of those`,
    }))
  if (problems.length > 0) throw new PipelineError('ARGUMENTS', problems)
}
