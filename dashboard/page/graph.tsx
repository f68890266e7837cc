import { layered } from '../../figures/layers.js'
import { textWidth, truncateText } from '../../figures/theme.js'
import type { RunDetail } from '../contract.js'
import { focus, live, short } from './state.js'
import { Headings } from './table-parts.js'

const WIDEST = 240
const LINE = 15

/** The pipeline: a box for each stage, an arrow for each wire. */
export function Graph({ graph: { stages, wires } }: { readonly graph: RunDetail['graph'] }) {
  const state = live.value?.run === focus.value ? live.value : undefined
  const rates = new Map(state?.wires.map((wire) => [wire.id, wire]))
  const work = new Map(state?.stages.map((stage) => [stage.id, stage]))
  const rateOf = (from: string, output: string): string => {
    const rate = rates.get(`${from}.${output}`)
    if (!rate) return ''
    return rate.rowsPerSecond > 0
      ? `${short(Math.round(rate.rowsPerSecond))} rows/s`
      : `${short(rate.tablesPerSecond)} tables/s`
  }
  const boxes = stages.map(({ id, use, known }) => {
    const lines = [id, use, ...known].map((line) => truncateText(line, WIDEST, 11))
    const width = Math.min(WIDEST, Math.max(60, ...lines.map((line) => textWidth(line, 11.5)))) + 20
    return { id, lines, width, height: lines.length * LINE + 16 }
  })
  const { places, bends, width, height } = layered(boxes, wires)
  return (
    <section>
      <h3>Pipeline</h3>
      <div class="scroll" ref={toFirstStage}>
        <svg
          class="graph"
          width={width + 40}
          height={height + 20}
          viewBox={`-20 -10 ${width + 40} ${height + 20}`}
          role="img"
          aria-label={`The pipeline: ${wires.map(({ from, to }) => `${from} to ${to}`).join(', ')}`}
        >
          {wires.map(({ from, to, type }, i) => {
            const [start, end] = [places.get(from)!, places.get(to)!]
            const first = { x: start.x, y: start.y + boxes.find(({ id }) => id === from)!.height }
            const points = [first, ...bends[i]!, end]
            return (
              <g key={`${from} ${to} ${type}`} class="wire">
                <path d={curve(points)} />
                <path class="head" d={`M${end.x} ${end.y}l-4 -7h8z`} />
                <title>{`${from} → ${to}: ${type}`}</title>
              </g>
            )
          })}
          {boxes.map(({ id, lines, width, height }) => {
            const { x, y } = places.get(id)!
            return (
              <g key={id} class={id === state?.bottleneck ? 'stage bottleneck' : 'stage'}>
                <rect x={x - width / 2} y={y} width={width} height={height} rx="4" />
                {lines.map((line, i) => (
                  <text key={i} x={x} y={y + 18 + i * LINE} class={i === 0 ? 'name' : ''}>
                    {i === 0 && work.has(id) ? `${line} · ${Math.round(100 * work.get(id)!.share)} %` : line}
                  </text>
                ))}
                {wires.some(({ from }) => from === id) && (
                  <text class="rate" x={x} y={y + height + 13}>
                    {rateOf(id, wires.find(({ from }) => from === id)!.output)}
                  </text>
                )}
              </g>
            )
          })}
        </svg>
      </div>
      <details>
        <summary>Wires as a table</summary>
        <div class="scroll">
          <table>
            <Headings names={['from', 'output', 'to', 'type', 'rate now']} />
            <tbody>
              {wires.map(({ from, output, to, type }) => (
                <tr key={`${from} ${output} ${to} ${type}`}>
                  <td>{from}</td>
                  <td>{output}</td>
                  <td>{to}</td>
                  <td>{type}</td>
                  <td>{rateOf(from, output)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  )
}

/** A curve through points, vertical at each. */
function curve([first, ...rest]: readonly { readonly x: number; readonly y: number }[]): string {
  let from = first!
  const parts = rest.map((to, i) => {
    const end = i === rest.length - 1 ? to.y - 5 : to.y
    const middle = (from.y + end) / 2
    from = to
    return { to, end, middle }
  })
  let before = first!
  return `M${first!.x} ${first!.y}${parts
    .map(({ to, end, middle }) => {
      const part = `C${before.x} ${middle} ${to.x} ${middle} ${to.x} ${end}`
      before = to
      return part
    })
    .join('')}`
}

/** Scrolls a graph that is wider than the page to its first stage, which may stand far to the right. */
function toFirstStage(scroll: HTMLElement | null): void {
  const stage = scroll?.querySelector('.stage rect')
  if (!scroll || !stage || scroll.scrollLeft > 0) return
  scroll.scrollLeft = Number(stage.getAttribute('x')) + Number(stage.getAttribute('width')) / 2 - scroll.clientWidth / 2
}
