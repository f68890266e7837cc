import { computed, signal } from '@preact/signals'
import { MOST_CURVES, type RunSummary } from '../contract.js'
import { chosen, focus, isComplete, labelOf, runs, short, textOf, toggle, varying, view } from './state.js'
import { Status } from './table-parts.js'

/** Rows on a page of the table. */
const PAGE = 25

/** Settings and metrics that have a column. */
const MOST_COLUMNS = 6

const filter = signal('')
const sort = signal<{ readonly by: string; readonly isFalling: boolean }>({ by: 'started', isFalling: true })
const page = signal(0)

const matching = computed(() => {
  const terms = filter.value.split(/\s+/).filter(Boolean)
  return [...runs.value.values()].filter((run) => terms.every((term) => matches(run, term)))
})
const settings = computed(() => varying(matching.value).slice(0, MOST_COLUMNS))
const metrics = computed(() => {
  const names = new Set(matching.value.flatMap(({ final }) => Object.keys(final)))
  const plain = [...names].filter((name) => !/^(epoch|step)$|cost$/.test(name))
  const rank = (name: string): number => (/accuracy$/.test(name) ? 0 : 1) + (/^(test|validation)/.test(name) ? 0 : 2)
  return plain.sort((a, b) => rank(a) - rank(b)).slice(0, MOST_COLUMNS)
})
/** The columns behind the status: the most telling metrics and what differs come first. */
const columns = computed(() => [
  ...metrics.value.slice(0, 2),
  ...settings.value,
  ...['epoch', 'seed', 'started'],
  ...metrics.value.slice(2),
])
const sorted = computed(() => {
  const { by, isFalling } = sort.value
  const value = (run: RunSummary): unknown =>
    ({ run: run.path, status: run.status, started: run.started ?? '', seed: run.seed, epoch: run.final.epoch })[by] ??
    run.final[by] ??
    run.settings[by]
  const order = (a: unknown, b: unknown): number =>
    typeof a === 'number' && typeof b === 'number' ? a - b : textOf(a).localeCompare(textOf(b), 'en', { numeric: true })
  return [...matching.value].sort((a, b) => {
    const [x, y] = [value(a), value(b)]
    if (x === undefined || y === undefined) return Number(x === undefined) - Number(y === undefined)
    return (isFalling ? -1 : 1) * order(x, y) || (a.path < b.path ? -1 : 1)
  })
})

/** Whether a run fits a term: `eta=0.1`, `test_accuracy>0.9`, `status:done`, `tag:best`, or a part of its name or note. */
export function matches(run: RunSummary, term: string): boolean {
  const [, name, sign, wanted] = /^([^=<>:]+)(>=|<=|[=<>:])(.+)$/.exec(term) ?? []
  if (!name || !wanted)
    return `${run.path} ${run.name} ${run.note ?? ''} ${run.status}`.toLowerCase().includes(term.toLowerCase())
  if (name === 'tag') return run.tags.includes(wanted)
  const value = { status: run.status, seed: run.seed, name: run.name }[name] ?? run.final[name] ?? run.settings[name]
  if (value === undefined) return false
  if (sign === ':' || sign === '=')
    return textOf(value) === wanted || (wanted !== '' && Number(value) === Number(wanted))
  const [a, b] = [Number(value), Number(wanted)]
  return sign === '<' ? a < b : sign === '>' ? a > b : sign === '<=' ? a <= b : a >= b
}

/** The table of runs. */
export function RunsTable() {
  const all = sorted.value
  const pages = Math.max(1, Math.ceil(all.length / PAGE))
  const at = Math.min(page.value, pages - 1)
  const shown = all.slice(at * PAGE, (at + 1) * PAGE)
  const head = ['run', 'status', ...columns.value]
  return (
    <section aria-label="Runs" class="runs">
      <search>
        <form class="controls" onSubmit={(event) => event.preventDefault()}>
          <label class="grow">
            Filter{' '}
            <input
              type="search"
              value={filter.value}
              placeholder="digits eta=0.1 status:done tag:best test_accuracy>0.9"
              onInput={(event) => {
                filter.value = event.currentTarget.value
                page.value = 0
              }}
            />
          </label>
          <span role="status">
            {all.length} of {runs.value.size} runs{isComplete.value ? '' : ', still looking …'}, {chosen.value.length}{' '}
            chosen
          </span>
          <button
            type="button"
            onClick={() => (chosen.value = all.slice(0, MOST_CURVES).map(({ id }) => id))}
            disabled={all.length === 0}
          >
            Choose {Math.min(MOST_CURVES, all.length)}
          </button>
          <button type="button" onClick={() => (chosen.value = [])} disabled={chosen.value.length === 0}>
            Choose none
          </button>
        </form>
      </search>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">
                <span class="hidden">Chosen</span>
              </th>
              {head.map((name) => (
                <Head key={name} name={name} />
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((run) => (
              <Row key={run.id} run={run} isChosen={chosen.value.includes(run.id)} />
            ))}
          </tbody>
        </table>
      </div>
      {all.length === 0 && (
        <p class="empty">
          {runs.value.size === 0
            ? isComplete.value
              ? 'No runs yet. They appear here as soon as they start.'
              : 'Looking for runs …'
            : 'No run fits the filter.'}
        </p>
      )}
      {pages > 1 && (
        <nav class="controls" aria-label="Pages of the table">
          <button type="button" disabled={at === 0} onClick={() => (page.value = at - 1)}>
            Previous
          </button>
          <span>
            page {at + 1} of {pages}
          </span>
          <button type="button" disabled={at === pages - 1} onClick={() => (page.value = at + 1)}>
            Next
          </button>
        </nav>
      )}
    </section>
  )
}

function Head({ name }: { readonly name: string }) {
  const { by, isFalling } = sort.value
  const isBy = by === name
  return (
    <th
      scope="col"
      class={['run', 'status', 'started'].includes(name) ? '' : 'number'}
      aria-sort={isBy ? (isFalling ? 'descending' : 'ascending') : 'none'}
    >
      <button
        type="button"
        class="sort"
        onClick={() => (sort.value = { by: name, isFalling: isBy ? !isFalling : metrics.value.includes(name) })}
      >
        {name.replaceAll('_', ' ')}
        <span aria-hidden="true">{isBy ? (isFalling ? ' ↓' : ' ↑') : ''}</span>
      </button>
    </th>
  )
}

function Row({ run, isChosen }: { readonly run: RunSummary; readonly isChosen: boolean }) {
  const { id, path, status, error, tags, note } = run
  return (
    <tr class={isChosen ? 'chosen' : ''}>
      <td>
        <input
          type="checkbox"
          checked={isChosen}
          aria-label={`Curves of ${labelOf(run)}`}
          onChange={() => toggle(id)}
        />
      </td>
      <th scope="row">
        <button
          type="button"
          class="link"
          title={path}
          onClick={() => {
            focus.value = id
            view.value = 'run'
            document.getElementById('views')?.scrollIntoView()
          }}
        >
          {labelOf(run)}
        </button>
        {tags.map((tag) => (
          <span class="tag" key={tag}>
            {tag}
          </span>
        ))}
        {note && <span class="note">{note}</span>}
      </th>
      <td title={error ?? ''}>
        <Status status={status} />
      </td>
      {columns.value.map((name) => (
        <td key={name} class={name === 'started' ? '' : 'number'}>
          {cellOf(run, name)}
        </td>
      ))}
    </tr>
  )
}

/** The text of a run in one of `columns`. */
function cellOf({ settings, final, seed, fold, started, seconds }: RunSummary, name: string): string {
  if (name === 'epoch') return short(final.epoch)
  if (name === 'seed') return fold === undefined ? String(seed) : `${seed}, fold ${fold}`
  if (name === 'started') {
    const took = seconds === undefined ? '' : `, ${duration(seconds)}`
    return started ? `${started.slice(0, 16).replace('T', ' ')}${took}` : ''
  }
  if (name in final) return short(final[name])
  return name in settings ? textOf(settings[name]).slice(0, 40) : ''
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
    : `${(seconds / 3600).toFixed(1)} h`
}
