import { batch, computed, signal } from '@preact/signals'
import { type LiveEvent, MOST_CURVES, type RunSummary } from '../contract.js'
import type { Rows } from './curve-store.js'

/** The views below the table. */
export const views = ['curves', 'run', 'compare', 'sweep'] as const
/** A view. */
export type View = (typeof views)[number]

/** The runs by id. */
export const runs = signal<ReadonlyMap<string, RunSummary>>(new Map())
/** Whether the server has looked at all directories. */
export const isComplete = signal(false)
/** What the page tells of its connection. */
export const connection = signal<'connecting' | 'live' | 'lost' | 'refused'>('connecting')
/** The runs whose curves are shown, in the order in which they were chosen. */
export const chosen = signal<readonly string[]>([])
/** The run that the view of one run shows. */
export const focus = signal<string | undefined>(undefined)
/** The view. */
export const view = signal<View>('curves')
/** The rows of the runs. They change in place; `drawn` counts the changes. */
export const rows = new Map<string, Rows>()
/** The list of runs as the server told it last. `runs` and `isComplete` have it from the next frame on. */
export const told = { runs: runs.value, isComplete: false }
/** Counts the changes of the rows, at most one in a frame. */
export const drawn = signal(0)
/** Counts the changes of the files of the run in focus. */
export const filesChanged = signal(0)
/** What goes on in the run in focus. */
export const live = signal<LiveEvent | undefined>(undefined)
/** What went wrong with the curves of a run. */
export const problems = signal<ReadonlyMap<string, string>>(new Map())

/** The chosen runs that exist. */
export const chosenRuns = computed(() => chosen.value.flatMap((id) => runs.value.get(id) ?? []))

/** Chooses a run or leaves it out. */
export function toggle(id: string): void {
  const others = chosen.value.filter((other) => other !== id)
  chosen.value = others.length < chosen.value.length ? others : [...others, id].slice(-MOST_CURVES)
}

let isDue = false

/** Says that rows or the list have changed. The page draws once for all that a frame brings. */
export function changed(): void {
  if (isDue) return
  isDue = true
  // A page in the background gets no frames: it draws when it is seen again.
  requestAnimationFrame(() => {
    isDue = false
    batch(() => {
      runs.value = told.runs
      isComplete.value = told.isComplete
      drawn.value++
    })
  })
}

/** The short name of a run: its directory, for a point of a sweep with that of the sweep. */
export function labelOf({ path, sweep }: Pick<RunSummary, 'path' | 'sweep'>): string {
  // A worker of a queue adds its own name to that of the point.
  const point = /[/\\]working[/\\]([0-9a-f]{16})\.[^/\\]*$/.exec(path)?.[1]
  if (point !== undefined) return point
  const last = (text: string): string => text.replace(/^.*[/\\]/s, '') || text
  return sweep === undefined ? last(path) : `${last(sweep)} ${last(path).slice(0, 8)}`
}

/** A value of a setting as text. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')
}

/** A number, short. */
export function short(value: unknown): string {
  if (typeof value !== 'number') return value === undefined || value === null ? '–' : String(value)
  if (Number.isInteger(value)) return String(value)
  return Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)))
}

/** The names of settings that have several values, in the runs that have them; the seed has a place of its own. */
export function varying(list: readonly RunSummary[]): string[] {
  const values = new Map<string, Set<string>>()
  for (const { settings } of list)
    for (const [name, value] of Object.entries(settings))
      values.set(name, (values.get(name) ?? new Set()).add(textOf(value)))
  return [...values].filter(([name, known]) => known.size > 1 && name !== 'seed').map(([name]) => name)
}

/** Keeps view and choice in the address, so that a reload shows the same. */
export function rememberInAddress(): void {
  const [, name, one = '', ids = ''] = location.hash.match(/^#([a-z]+)\/([\da-f]*)\/([\da-f,]*)$/) ?? []
  if (views.includes(name as View)) view.value = name as View
  focus.value = one || undefined
  chosen.value = ids ? ids.split(',').slice(0, MOST_CURVES) : []
}

/** The part of the address that `rememberInAddress` reads. */
export function addressPart(): string {
  return `#${view.value}/${focus.value ?? ''}/${chosen.value.join()}`
}
