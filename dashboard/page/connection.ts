import { effect } from '@preact/signals'
import type { LiveEvent, MetricsEvent, RunsEvent } from '../contract.js'
import { withRows } from './curve-store.js'
import { changed, chosen, connection, filesChanged, focus, live, problems, rows, told } from './state.js'

/** How long to wait before another try, in milliseconds. */
const PAUSE = 1500

let source: EventSource | undefined
let timer: number | undefined
/** The state of the list, and how far the rows of each run have come. */
let version = ''
const positions = new Map<string, string>()

/** Keeps a connection for what the page shows now, and connects again when it is lost. */
export function stayConnected(): void {
  effect(() => {
    connect(chosen.value, focus.value)
  })
}

function connect(ids: readonly string[], one: string | undefined): void {
  source?.close()
  window.clearTimeout(timer)
  for (const id of rows.keys())
    if (!ids.includes(id)) {
      rows.delete(id)
      positions.delete(id)
    }
  const query = new URLSearchParams({
    runs: ids.map((id) => `${id}:${positions.get(id) ?? ''}`).join(),
    list: version,
    focus: one ?? '',
  })
  const opened = new EventSource(`/events?${query}`)
  source = opened
  opened.onopen = () => {
    connection.value = 'live'
  }
  opened.onerror = () => {
    if (opened !== source) return
    connection.value = 'lost'
    // The browser tries again by itself, unless the server refused.
    if (opened.readyState === EventSource.CLOSED) timer = window.setTimeout(() => void again(opened), PAUSE)
  }
  const on = <T>(name: string, take: (data: T) => void): void =>
    opened.addEventListener(name, (event) => {
      if (opened !== source) return
      remember(event.lastEventId)
      take(JSON.parse(event.data as string) as T)
    })
  on<RunsEvent>('runs', takeRuns)
  on<MetricsEvent>('metrics', (event) => {
    rows.set(event.run, withRows(rows.get(event.run), event))
    changed()
  })
  on<LiveEvent>('live', (event) => {
    live.value = event
  })
  on('files', () => filesChanged.value++)
  on<{ run: string; message: string }>('problem', ({ run, message }) => {
    problems.value = new Map(problems.value).set(run, message)
  })
}

async function again(refused: EventSource): Promise<void> {
  if (refused !== source) return
  const isRefused = await fetch('/').then(
    ({ status }) => status === 401,
    () => false,
  )
  if (refused !== source) return
  connect(chosen.value, focus.value)
  if (isRefused) connection.value = 'refused'
}

function remember(id: string): void {
  const [parts = '', list = ''] = id.split(' ')
  version = list
  for (const part of parts.split(',')) {
    const [run = '', position = ''] = part.split(':')
    if (position !== '') positions.set(run, position)
  }
}

let missing = false

function takeRuns(event: RunsEvent): void {
  const all = new Map(event.isWhole ? [] : told.runs)
  for (const run of event.changed) all.set(run.id, run)
  for (const id of event.removed) all.delete(id)
  told.runs = all
  told.isComplete = event.isComplete
  changed()
  // Runs of the address may be found after the connection was made.
  const lacks = [...chosen.value, focus.value].some((id) => id !== undefined && !rows.has(id) && all.has(id))
  if (missing && lacks) connect(chosen.value, focus.value)
  missing = [...chosen.value, ...(focus.value ? [focus.value] : [])].some((id) => !all.has(id))
}
