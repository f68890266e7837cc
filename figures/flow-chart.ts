import { layered, type Place } from './layers.js'
import { drawing, rectangle, text } from './svg.js'
import { colours, dashPatterns, textWidth, theme, truncateText } from './theme.js'

/** A box of a flow chart: its lines of text, the first one in bold. */
export interface ChartBox {
  /** Unique in the chart. */
  readonly id: string
  /** The lines. */
  readonly lines: readonly string[]
}

/** An arrow between two boxes. */
export interface ChartArrow {
  /** The id of the box that it leaves. */
  readonly from: string
  /** The id of the box that it reaches. */
  readonly to: string
  /** What goes through it; arrows of one kind look alike. */
  readonly kind: string
}

/** The widest box, in pixels. */
const WIDEST = 260
const PADDING = 10
const LINE = 15
const MARGIN = 20

/** Draws a graph without circles as an SVG: boxes from top to bottom, an arrow for each wire, a legend of their kinds. */
export function flowChart(title: string, boxes: readonly ChartBox[], arrows: readonly ChartArrow[]): string {
  const sized = boxes.map(({ id, lines }) => ({
    id,
    lines: lines.map((line) => truncateText(line, WIDEST, theme.sizes.text)),
    width: Math.min(WIDEST, Math.max(60, ...lines.map((line, i) => textWidth(line, i === 0 ? 12 : 11)))) + 2 * PADDING,
    height: lines.length * LINE + 2 * PADDING - 4,
  }))
  const { places, bends, width, height } = layered(sized, arrows)
  const kinds = [...new Set(arrows.map(({ kind }) => kind))]
  const styles = new Map(
    kinds.map((kind, i) => [kind, { colour: colours(kinds.length)[i]!, dash: dashPatterns(kinds.length)[i]! }]),
  )
  const legend = legendOf(styles)
  const heading = truncateText(title, Math.max(width, legend.width), theme.sizes.title)
  const full = Math.max(width, legend.width, textWidth(heading, theme.sizes.title)) + 2 * MARGIN
  const [dx, dy] = [(full - width) / 2, MARGIN + 50]
  const at = (place: Place): Place => ({ x: place.x + dx, y: place.y + dy })
  const parts = [
    text(MARGIN, MARGIN + 12, heading, { size: theme.sizes.title, bold: true }),
    ...legend.parts,
    ...arrows.map((arrow, i) => {
      const [upper, lower] = [sized.find(({ id }) => id === arrow.from)!, sized.find(({ id }) => id === arrow.to)!]
      const [start, end] = [at(places.get(arrow.from)!), at(places.get(arrow.to)!)]
      const leaving = fromLeft(
        arrows,
        ({ from }) => from === arrow.from,
        (j) => (bends[j]![0] ?? places.get(arrows[j]!.to)!).x,
      )
      const reaching = fromLeft(
        arrows,
        ({ to }) => to === arrow.to,
        (j) => (bends[j]!.at(-1) ?? places.get(arrows[j]!.from)!).x,
      )
      const first = {
        x: start.x + offset(leaving.indexOf(arrow), leaving.length, upper.width),
        y: start.y + upper.height,
      }
      const last = { x: end.x + offset(reaching.indexOf(arrow), reaching.length, lower.width), y: end.y }
      return arrowPath([first, ...bends[i]!.map(at), last], styles.get(arrow.kind)!)
    }),
    ...sized.flatMap(({ id, lines, width, height }) => {
      const { x, y } = at(places.get(id)!)
      return [
        rectangle(x - width / 2, y, width, height, theme.ink),
        rectangle(x - width / 2 + 1, y + 1, width - 2, height - 2, theme.background),
        ...lines.map((line, i) =>
          text(x, y + PADDING + 9 + i * LINE, line, {
            anchor: 'middle',
            size: i === 0 ? theme.sizes.heading : theme.sizes.text,
            bold: i === 0,
            fill: i === 0 ? theme.ink : theme.muted,
          }),
        ),
      ]
    }),
  ]
  return drawing(full, height + dy + MARGIN, `${title}: ${boxes.map(({ lines }) => lines[0]).join(', ')}`, parts)
}

/** The arrows that are chosen, in the order of where they go to or come from, so that they do not cross at the box. */
function fromLeft(
  arrows: readonly ChartArrow[],
  isChosen: (arrow: ChartArrow) => boolean,
  x: (index: number) => number,
): ChartArrow[] {
  const chosen = [...arrows.keys()].filter((index) => isChosen(arrows[index]!))
  return chosen.sort((a, b) => x(a) - x(b)).map((index) => arrows[index]!)
}

/** Where arrows leave and reach a box: in the middle, or beside each other. */
function offset(index: number, count: number, width: number): number {
  const step = Math.min(18, (width - 2 * PADDING) / count)
  return (index - (count - 1) / 2) * step
}

interface Style {
  readonly colour: string
  readonly dash: readonly number[]
}

function legendOf(styles: ReadonlyMap<string, Style>): { readonly parts: string[]; readonly width: number } {
  const parts: string[] = []
  let x = MARGIN
  for (const [kind, style] of styles) {
    parts.push(line(`M${x} ${MARGIN + 30} H${x + 28}`, style), text(x + 34, MARGIN + 34, kind))
    x += 34 + textWidth(kind, theme.sizes.text) + 18
  }
  return { parts, width: x - MARGIN }
}

/** A curve through points, vertical at each, with a head. */
function arrowPath(points: readonly Place[], style: Style): string {
  const [first, ...rest] = points
  const tip = rest.at(-1)!
  const path = rest.map((to, i) => {
    const from = i === 0 ? first! : rest[i - 1]!
    const end = to === tip ? to.y - 5 : to.y
    const middle = (from.y + end) / 2
    return `C${round(from.x)} ${round(middle)} ${round(to.x)} ${round(middle)} ${round(to.x)} ${round(end)}`
  })
  const head = `M${round(tip.x)} ${round(tip.y)} l-3.5 -7 h7 z`
  return `${line(`M${round(first!.x)} ${round(first!.y)} ${path.join(' ')}`, style)}\n<path d="${head}" fill="${style.colour}"/>`
}

function line(path: string, { colour, dash }: Style): string {
  const dashes = dash.length === 2 && dash[1] === 0 ? '' : ` stroke-dasharray="${dash.join(' ')}"`
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"${dashes}/>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
