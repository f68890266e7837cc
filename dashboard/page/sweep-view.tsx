import { signal } from '@preact/signals'
import { grouped } from '../../pipeline/base/grouped.js'
import type { RunSummary } from '../contract.js'
import { runs, short, textOf, varying } from './state.js'
import { Headings, ShadedCell } from './table-parts.js'

/** Lines of the drawing, and values of an axis of the heat map. */
const MOST = { lines: 1000, values: 40 }

const sweep = signal('')
const metric = signal('')
const across = signal('')
const down = signal('')

/** A sweep: its settings against a metric, as a heat map and as parallel coordinates. */
export function SweepView() {
  const all = [...runs.value.values()]
  const sweeps = [...new Set(all.flatMap((run) => run.sweep ?? []))]
  if (all.length === 0) return <p class="empty">There are no runs.</p>
  // Without a sweep, all runs of one pipeline are as good.
  const name = sweeps.includes(sweep.value) ? sweep.value : (sweeps[0] ?? '')
  const points = all.filter((run) => (name === '' ? true : run.sweep === name))
  const names = varying(points)
  const metrics = [...new Set(points.flatMap(({ final }) => Object.keys(final)))].filter(
    (key) => !/^(epoch|step)$/.test(key),
  )
  const usual = ['validation_accuracy', 'test_accuracy'].find((key) => metrics.includes(key)) ?? metrics[0] ?? ''
  const shown = metrics.includes(metric.value) ? metric.value : usual
  const x = names.includes(across.value) ? across.value : (names[0] ?? '')
  const y = names.includes(down.value) ? down.value : (names.find((key) => key !== x) ?? '')
  const select = (label: string, value: string, options: readonly string[], target: typeof sweep) => (
    <label>
      {label}{' '}
      <select value={value} onChange={(event) => (target.value = event.currentTarget.value)}>
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    </label>
  )
  return (
    <>
      <form class="controls" onSubmit={(event) => event.preventDefault()}>
        {sweeps.length > 0 && select('Sweep', name, sweeps, sweep)}
        {select('Metric', shown, metrics, metric)}
        {names.length > 0 && select('Across', x, names, across)}
        {names.length > 1 && select('Down', y, names, down)}
      </form>
      {names.length === 0 && <p class="empty">No setting varies.</p>}
      {names.length > 0 && <HeatMap points={points} metric={shown} x={x} y={y} />}
      {names.length > 0 && <Parallel points={points} metric={shown} names={names.slice(0, 8)} />}
    </>
  )
}

function metricOf({ final }: RunSummary, metric: string): number | undefined {
  const value = final[metric]
  return typeof value === 'number' ? value : undefined
}

/** The mean of the metric for each pair of values. */
function HeatMap({
  points,
  metric,
  x,
  y,
}: {
  readonly points: readonly RunSummary[]
  readonly metric: string
  readonly x: string
  readonly y: string
}) {
  const [xs, ys] = [x, y].map((name) => sortedValues(points, name)) as [string[], string[]]
  const cells = grouped(
    points.filter((point) => metricOf(point, metric) !== undefined),
    ({ settings }) => JSON.stringify([textOf(settings[x]), textOf(settings[y])]),
  )
  const means = new Map(
    [...cells].map(([key, list]) => [
      key,
      list.reduce((sum, point) => sum + metricOf(point, metric)!, 0) / list.length,
    ]),
  )
  const [low, high] = [Math.min(...means.values()), Math.max(...means.values())]
  return (
    <section>
      <h3>Heat map</h3>
      <div class="scroll">
        <table class="heat">
          <caption>
            Mean of {metric.replaceAll('_', ' ')}; {x} across{y && `, ${y} down`}
          </caption>
          <Headings names={[y, ...xs]} />
          <tbody>
            {ys.map((row) => (
              <tr key={row}>
                <th scope="row">{y ? row : ''}</th>
                {xs.map((column) => {
                  const mean = means.get(JSON.stringify([column, row]))
                  const share = mean === undefined ? 0 : high > low ? (mean - low) / (high - low) : 0.5
                  return (
                    <ShadedCell key={column} share={share}>
                      {mean === undefined ? '' : short(mean)}
                    </ShadedCell>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function sortedValues(points: readonly RunSummary[], name: string): string[] {
  const values = [...new Set(points.map(({ settings }) => textOf(settings[name])))]
  return values
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .sort((a, b) => Number(a) - Number(b) || 0)
    .slice(0, MOST.values)
}

/** An axis for each setting and one for the metric; a line for each run, darker where the metric is higher. */
function Parallel({
  points,
  metric,
  names,
}: {
  readonly points: readonly RunSummary[]
  readonly metric: string
  readonly names: readonly string[]
}) {
  const done = points.filter((point) => metricOf(point, metric) !== undefined).slice(0, MOST.lines)
  if (done.length === 0) return <p class="empty">No point has this metric yet.</p>
  const axes = [...names, metric]
  const [width, height] = [Math.max(350, axes.length * 150 - 60), 260]
  const scales = axes.map((name) => {
    const values = done.map((point) => (name === metric ? point.final[metric] : point.settings[name]))
    const isNumeric = values.every((value) => typeof value === 'number')
    const all = isNumeric ? (values as number[]).sort((a, b) => a - b) : [...new Set(values.map(textOf))].sort()
    const [low, high] = [Number(all[0]), Number(all.at(-1))]
    const at = (value: unknown): number =>
      isNumeric
        ? high > low
          ? (Number(value) - low) / (high - low)
          : 0.5
        : all.length > 1
          ? (all as string[]).indexOf(textOf(value)) / (all.length - 1)
          : 0.5
    return { at, low: isNumeric ? short(low) : String(all[0]), high: isNumeric ? short(high) : String(all.at(-1)) }
  })
  const px = (i: number): number => 66 + (i * (width - 132)) / (axes.length - 1)
  const py = (share: number): number => height - 34 - share * (height - 74)
  return (
    <section>
      <h3>Parallel coordinates</h3>
      <div class="scroll">
        <svg
          class="parallel"
          width={width}
          height={height}
          role="img"
          aria-label={`Settings and ${metric} of ${done.length} runs; the table of runs has the numbers`}
        >
          {done.map((point) => {
            const path = axes.map(
              (name, i) =>
                `${i === 0 ? 'M' : 'L'}${px(i)} ${py(scales[i]!.at(name === metric ? point.final[metric] : point.settings[name]))}`,
            )
            return (
              <path
                key={point.id}
                d={path.join('')}
                stroke-opacity={0.15 + 0.8 * scales.at(-1)!.at(point.final[metric])}
              >
                <title>{`${point.path}: ${short(point.final[metric])}`}</title>
              </path>
            )
          })}
          {axes.map((name, i) => (
            <g key={name} class="axis">
              <path d={`M${px(i)} ${py(0)}V${py(1)}`} />
              <text x={px(i)} y="16" class="name">
                {name.replaceAll('_', ' ').slice(0, 20)}
              </text>
              <text x={px(i)} y={py(1) - 8}>
                {scales[i]!.high.slice(0, 16)}
              </text>
              <text x={px(i)} y={py(0) + 16}>
                {scales[i]!.low.slice(0, 16)}
              </text>
            </g>
          ))}
        </svg>
      </div>
    </section>
  )
}
