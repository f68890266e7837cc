import { signal } from '@preact/signals'
import { Chart } from './chart.js'
import { groupsOf, linesOf, metricsOf, partsOf } from './series.js'
import { chosenRuns, drawn, labelOf, problems, rows } from './state.js'

const axis = signal<'epoch' | 'step'>('epoch')
const isLog = signal(false)
const areBands = signal(true)
const smoothing = signal(0)
/** The splits that the user left out. */
const hidden = signal<ReadonlySet<string>>(new Set())

/** The curves of the chosen runs, a chart for each metric. */
export function Curves() {
  void drawn.value
  const list = chosenRuns.value
  if (list.length === 0) return <p class="empty">Choose runs in the table to see their curves.</p>
  const metrics = metricsOf(list.map(({ id }) => rows.get(id)))
  const names = new Set([...metrics.values()].flat().map((column) => partsOf(column)[0]))
  names.delete('')
  const splits = new Set([...names].filter((name) => !hidden.value.has(name)))
  const choice = { axis: axis.value, smoothing: smoothing.value, areBands: areBands.value, splits }
  const charts = [...metrics].map(([metric, columns]) => ({ metric, lines: linesOf(list, rows, columns, choice) }))
  const hasSeeds = groupsOf(list).some((group) => group.length > 1)
  const reading = list.filter(({ id }) => (rows.get(id)?.read[0] ?? 0) < (rows.get(id)?.read[1] ?? 0)).length
  const longest = charts.reduce((all, { lines }) => (lines.length > all.length ? lines : all), charts[0]?.lines ?? [])
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        <label>
          Axis{' '}
          <select value={axis.value} onChange={(event) => (axis.value = event.currentTarget.value as 'epoch' | 'step')}>
            <option>epoch</option>
            <option>step</option>
          </select>
        </label>
        <label>
          <input type="checkbox" checked={isLog.value} onChange={() => (isLog.value = !isLog.value)} /> Log scale
        </label>
        {hasSeeds && (
          <label>
            <input type="checkbox" checked={areBands.value} onChange={() => (areBands.value = !areBands.value)} /> Mean
            ± deviation over seeds
          </label>
        )}
        {[...names].map((name) => (
          <label key={name}>
            <input type="checkbox" checked={splits.has(name)} onChange={() => toggleSplit(name)} /> {name}
          </label>
        ))}
        <label>
          Smoothing{' '}
          <input
            type="range"
            min="0"
            max="0.98"
            step="0.02"
            value={smoothing.value}
            onInput={(event) => (smoothing.value = Number(event.currentTarget.value))}
          />{' '}
          <output>{smoothing.value === 0 ? 'off' : smoothing.value}</output>
        </label>
      </form>
      <ul class="legend" aria-label="Lines">
        {longest.map(({ label, colour, dash }) => (
          <li key={label}>
            <svg width="30" height="10" aria-hidden="true">
              <path d="M0 5h30" stroke={colour} stroke-width="2.5" stroke-dasharray={dash.join(' ')} />
            </svg>
            {label}
          </li>
        ))}
      </ul>
      {reading > 0 && <p class="empty">Reading {reading} long files …</p>}
      {list.map((run) =>
        problems.value.has(run.id) ? (
          <p key={run.id} class="problem">
            {labelOf(run)}: {problems.value.get(run.id)}
          </p>
        ) : null,
      )}
      {charts.length === 0 && <p class="empty">No evaluation yet.</p>}
      <div class="charts">
        {charts.map(({ metric, lines }) => (
          <Chart key={metric} title={metric.replaceAll('_', ' ')} axis={axis.value} lines={lines} isLog={isLog.value} />
        ))}
      </div>
      <p class="hint">Drag over a chart to zoom, double-click to see all. A zoomed chart stays where it is.</p>
    </>
  )
}

function toggleSplit(name: string): void {
  const next = new Set(hidden.value)
  if (!next.delete(name)) next.add(name)
  hidden.value = next
}
