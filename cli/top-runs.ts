import { setTimeout as pause } from 'node:timers/promises'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { shortPath } from '../pipeline/base/words.js'
import { askRun } from '../pipeline/live/client.js'
import type { LiveState } from '../pipeline/live/contract.js'
import { mayListen } from '../pipeline/live/socket-place.js'
import { progressColumns } from '../stages/sink/progress-columns.js'
import { type FittedColumn, fittedColumns } from './fitted-columns.js'
import { duration, number, share } from './screen/draw-state.js'
import type { ScreenSize } from './screen/live-screen.js'

/** Milliseconds between two looks at the runs that go on. */
const INTERVAL = 1000

/** Milliseconds after which a folder is searched for new runs again; after the end of a run, the next look does so. */
const SEARCH = 5000

/** A run that has not answered after so many milliseconds is left out of this look. */
const PATIENCE = 2000

/** Cells of a bar of progress. */
const BAR = 12

/** A run that goes on. */
export interface GoingRun {
  /** Its directory. */
  readonly directory: string
  /** What goes on in it. */
  readonly state: LiveState
}

/** The runs among these directories that go on now. */
export async function goingRuns(directories: readonly string[], signal: AbortSignal): Promise<GoingRun[]> {
  const candidates = directories.filter(mayListen)
  const states = await Promise.all(candidates.map((directory) => stateOf(directory, signal)))
  return candidates.flatMap((directory, i) => (states[i] ? [{ directory, state: states[i] }] : []))
}

async function stateOf(directory: string, signal: AbortSignal): Promise<LiveState | undefined> {
  const end = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)])
  try {
    for await (const message of (await askRun(directory, { type: 'state' }, end)) ?? [])
      if (message.type === 'state') return message
  } catch (error) {
    // What listens there is no run of this version.
    if (!(error instanceof PipelineError)) throw error
  }
  return undefined
}

/**
 * Looks at the runs that go on, every second, until none does twice in a row (between two points of a sweep none does) or
 * `signal` is aborted. New runs are seen within five seconds, or when another has ended.
 *
 * @param list gives the directories of all runs, also those that have begun since
 */
export async function* looks(list: () => readonly string[], signal: AbortSignal): AsyncGenerator<readonly GoingRun[]> {
  let asked: readonly string[] = []
  let searched = Number.NEGATIVE_INFINITY
  let before = 0
  for (let empty = 0; empty < 2; ) {
    if (performance.now() - searched >= SEARCH) {
      asked = list()
      searched = performance.now()
    }
    const going = await goingRuns(asked, signal)
    if (signal.aborted) return
    yield going
    asked = going.map(({ directory }) => directory)
    if (going.length === 0 || going.length < before) searched = Number.NEGATIVE_INFINITY
    before = going.length
    empty = going.length === 0 ? empty + 1 : 0
    await pause(INTERVAL, undefined, { signal }).catch(() => {})
  }
}

/** A line for each run, as many as there is room for. */
export function runLines(runs: readonly GoingRun[], { width, height }: ScreenSize): string[] {
  const shown = runs.slice(0, runs.length > height - 1 ? Math.max(0, height - 2) : runs.length)
  const column = (title: string, rank: number, cell: (state: LiveState) => string, isNumeric = true): FittedColumn => ({
    rank,
    isNumeric,
    cells: [title, ...shown.map(({ state }) => cell(state))],
  })
  if (runs.length === 0) return []
  const lines = fittedColumns(
    [
      { rank: 0, isNumeric: false, cells: ['run', ...shown.map(({ directory }) => oneLine(shortPath(directory)))] },
      column('', 5, ({ progress = 0 }) => bar(progress), false),
      column('', 1, ({ progress }) => (progress === undefined ? '–' : `${Math.floor(100 * progress)} %`)),
      column('left', 2, ({ left }) => (left === undefined ? '–' : duration(left))),
      column('epoch', 6, ({ position }) => (position ? `${position.epoch} of ${position.epochs}` : '–')),
      column('loss or cost', 4, (state) => lastOf(state, 'number')),
      column('accuracy', 3, (state) => lastOf(state, 'share')),
      column('on', 7, ({ metrics }) => columnOf(metrics[0])?.title ?? '', false),
    ],
    width,
  )
  return shown.length < runs.length ? [...lines, `… and ${runs.length - shown.length} more`] : lines
}

function bar(progress: number): string {
  const done = Math.round(BAR * progress)
  return '━'.repeat(done) + '─'.repeat(BAR - done)
}

/** The split that is shown: that of validation, if there is one. */
function columnOf(metrics: LiveState['metrics'][number] | undefined) {
  const columns = metrics ? progressColumns(metrics.last, metrics.infos) : []
  return (
    columns.find(({ title }) => title === 'validation') ?? columns.find(({ title }) => title === 'test') ?? columns[0]
  )
}

function lastOf({ metrics: [first] }: LiveState, kind: 'number' | 'share'): string {
  const name = columnOf(first)?.[kind]
  if (!first || name === undefined) return '–'
  return kind === 'share' ? share(first.last[name]) : number(first.last[name])
}
