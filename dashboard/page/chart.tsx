import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { csvOf, decimated, type Line, svgOf } from './series.js'
import { short } from './state.js'
import { Headings } from './table-parts.js'

/** The height of a chart in pixels. */
const HEIGHT = 240

type Column = (number | null | undefined)[]

/** A chart of lines that follows new points unless the user has zoomed. */
export function Chart(given: {
  readonly title: string
  readonly axis: string
  readonly lines: readonly Line[]
  readonly isLog: boolean
}) {
  const { title, axis, isLog } = given
  const [isSeen, setSeen] = useState(false)
  // A chart that nobody sees stays as it was: to draw it takes as long as one that is seen.
  const seen = useRef(given.lines)
  if (isSeen) seen.current = given.lines
  const lines = seen.current
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const range = useRef<readonly [number, number] | undefined>(undefined)
  const [zoom, setZoom] = useState<readonly [number, number] | undefined>(undefined)
  const [readout, setReadout] = useState('')
  const [width, setWidth] = useState(0)
  range.current = zoom
  const shape = JSON.stringify([isLog, axis, lines.map(({ label, colour, dash, low }) => [label, colour, dash, !!low])])
  // What is read out under the mouse changes with every move, the curves do not.
  const { data, owners } = useMemo(() => aligned(lines, zoom, width, isLog), [lines, zoom, width, isLog])
  const now = useRef({ lines, owners, axis })
  now.current = { lines, owners, axis }

  useEffect(() => {
    const sizes = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)))
    sizes.observe(place.current!)
    const views = new IntersectionObserver((entries) => setSeen(entries.at(-1)!.isIntersecting))
    views.observe(place.current!)
    return () => {
      sizes.disconnect()
      views.disconnect()
    }
  }, [])

  // In the frame that brings the new numbers: another frame would draw all charts once more.
  useLayoutEffect(() => {
    if (width === 0) return
    const made = new uPlot(options(), data, place.current!)
    plot.current = made
    return () => {
      made.destroy()
      plot.current = undefined
    }
  }, [shape, width === 0])

  useLayoutEffect(() => {
    if (plot.current && width > 0) plot.current.setSize({ width, height: HEIGHT })
  }, [width])

  useLayoutEffect(() => {
    plot.current?.setData(data)
  }, [data, shape, width === 0])

  function options(): uPlot.Options {
    const style = getComputedStyle(document.documentElement)
    const [ink, rule] = [style.getPropertyValue('--muted'), style.getPropertyValue('--rule')]
    const side = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1 } }
    const series: uPlot.Series[] = []
    const bands: uPlot.Band[] = []
    for (const { label, colour, dash, low } of lines) {
      series.push({ label, stroke: colour, width: 1.5, dash: [...dash], points: { show: false } })
      if (!low) continue
      const at = series.length
      series.push(
        { stroke: 'transparent', points: { show: false } },
        { stroke: 'transparent', points: { show: false } },
      )
      bands.push({ series: [at + 2, at + 1], fill: `${colour}33` })
    }
    return {
      width,
      height: HEIGHT,
      legend: { show: false },
      scales: {
        x: {
          time: false,
          range: (_, low, high) => [...(range.current ?? (low === high ? [low - 1, high + 1] : [low, high]))],
        },
        y: { distr: isLog ? 3 : 1 },
      },
      axes: [
        { ...side, size: 30 },
        { ...side, size: 64, values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : short(tick))) },
      ],
      series: [{}, ...series],
      bands,
      cursor: {
        drag: { setScale: false, x: true, y: false },
        bind: { dblclick: () => showAll },
      },
      hooks: {
        setSelect: [
          (u) => {
            if (u.select.width < 4) return
            setZoom([u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')])
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
          },
        ],
        setCursor: [(u) => setReadout(nearest(u))],
      },
    }
  }

  function showAll(): null {
    setZoom(undefined)
    return null
  }

  function nearest(u: uPlot): string {
    const { idx, top = -1 } = u.cursor
    if (idx === null || idx === undefined || top < 0) return ''
    let best: { label: string; y: number; gap: number } | undefined
    for (const [i, owner] of now.current.owners.entries()) {
      const y = owner === undefined ? undefined : u.data[i + 1]![idx]
      if (typeof y !== 'number') continue
      const gap = Math.abs(u.valToPos(y, 'y') - top)
      if (!best || gap < best.gap) best = { label: now.current.lines[owner!]!.label, y, gap }
    }
    return best ? `${best.label}: ${short(best.y)} at ${now.current.axis} ${short(u.data[0][idx])}` : ''
  }

  const last = given.lines.map(({ label, y }) => `${label} ${short(y.findLast((value) => value !== null))}`)
  return (
    <section class="chart" aria-label={title}>
      <header>
        <h3>{title}</h3>
        <span class="readout" aria-hidden="true">
          {readout}
        </span>
        {zoom && (
          <button type="button" onClick={() => setZoom(undefined)}>
            Show all
          </button>
        )}
        <button
          type="button"
          aria-label={`Save ${title} as CSV`}
          onClick={() => save(csvOf(given.lines, axis, title), `${title}.csv`, 'text/csv')}
        >
          CSV
        </button>
        <button
          type="button"
          aria-label={`Save ${title} as SVG`}
          onClick={() => save(svgOf(given.lines, title, axis, isLog), `${title}.svg`, 'image/svg+xml')}
        >
          SVG
        </button>
      </header>
      <div ref={place} class="plot" role="img" aria-label={`${title}. Last values: ${last.slice(0, 8).join('; ')}`} />
      <PointTable title={title} axis={axis} lines={given.lines} />
    </section>
  )
}

/** The points as a table, for those who cannot see the chart. */
function PointTable({
  title,
  axis,
  lines,
}: {
  readonly title: string
  readonly axis: string
  readonly lines: readonly Line[]
}) {
  const [isOpen, setOpen] = useState(false)
  const places = isOpen ? [...new Set(lines.flatMap(({ x }) => x))].sort((a, b) => a - b) : []
  const every = Math.max(1, Math.ceil(places.length / 100))
  const shown = places.filter((_, i) => i % every === 0 || i === places.length - 1)
  const columns = isOpen ? lines.slice(0, 12).map(({ x, y }) => new Map(x.map((at, i) => [at, y[i]]))) : []
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{title} as a table</summary>
      {isOpen && (
        <div class="scroll">
          <table>
            <Headings names={[axis, ...lines.slice(0, 12).map(({ label }) => label)]} />
            <tbody>
              {shown.map((at) => (
                <tr key={at}>
                  <th scope="row">{short(at)}</th>
                  {columns.map((column, i) => (
                    <td key={i}>
                      {column.has(at) ? (column.get(at) === null ? 'not finite' : short(column.get(at))) : ''}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  )
}

/** Columns with one x for all lines. Undefined where a line has no point, null where its value cannot be drawn. */
function aligned(
  lines: readonly Line[],
  zoom: readonly [number, number] | undefined,
  width: number,
  isLog: boolean,
): { readonly data: uPlot.AlignedData; readonly owners: readonly (number | undefined)[] } {
  const most = Math.max(200, 2 * width)
  const drawn = lines.map((line) => decimated(zoom ? within(line, zoom) : line, most))
  const x = [...new Set(drawn.flatMap((line) => line.x))].sort((a, b) => a - b)
  const place = new Map(x.map((at, i) => [at, i]))
  const owners: (number | undefined)[] = []
  const columns = drawn.flatMap((line, owner) => {
    const column = (values: readonly (number | null)[]): Column => {
      const out: Column = new Array(x.length).fill(undefined)
      for (const [i, at] of line.x.entries()) {
        const value = values[i]!
        out[place.get(at)!] = value !== null && isLog && value <= 0 ? null : value
      }
      return out
    }
    owners.push(owner)
    if (!line.low || !line.high) return [column(line.y)]
    owners.push(undefined, undefined)
    return [column(line.y), column(line.low), column(line.high)]
  })
  return { data: [x, ...columns] as uPlot.AlignedData, owners }
}

function within(line: Line, [from, to]: readonly [number, number]): Line {
  const kept = [...line.x.keys()].filter((i) => line.x[i]! >= from && line.x[i]! <= to)
  // One more on each side, so that the line reaches the edges.
  const first = Math.max(0, (kept[0] ?? 0) - 1)
  const last = Math.min(line.x.length, (kept.at(-1) ?? -1) + 2)
  const cut = <T,>(list: readonly T[]): readonly T[] => list.slice(first, last)
  return { ...line, x: cut(line.x), y: cut(line.y), low: line.low && cut(line.low), high: line.high && cut(line.high) }
}

/** Offers a text as a file. */
export function save(text: string, name: string, type: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type }))
  link.download = name.replaceAll(/[^\w.-]+/g, '-')
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
