import { cellsOf, cutToCells, padToCells } from '../../pipeline/base/cells.js'
import { oneLine } from '../../pipeline/base/plain-text.js'
import type { LiveMetrics, LiveStage, LiveState } from '../../pipeline/live/contract.js'
import { progressColumns } from '../../stages/sink/progress-columns.js'
import type { ScreenSize } from './live-screen.js'
import { sparkline } from './sparkline.js'

/** How the parts of a screen are told apart. Without colours, all of them are the text itself. */
export interface Styles {
  /** For names and headings that matter. */
  bold(text: string): string
  /** For what matters less. */
  dim(text: string): string
  /** For the bar and the curves. */
  accent(text: string): string
  /** For the bottleneck. */
  warning(text: string): string
}

/** The styles of this terminal: none if `NO_COLOR` is set. */
export function stylesOf(environment = process.env): Styles {
  const style =
    (code: number) =>
    (text: string): string =>
      environment.NO_COLOR || text === '' ? text : `\x1b[${code}m${text}\x1b[0m`
  return { bold: style(1), dim: style(2), accent: style(36), warning: style(33) }
}

/** A part of the screen: those with a lower rank stay longer if the window is low. */
interface Part {
  readonly rank: number
  readonly line: string
}

/** The widest screen that is filled, in cells: longer lines are hard to read. */
export const WIDEST = 110
/** The cells of a number such as `0.1234`, of a rate, a share and a count. */
const CELLS = { number: 9, share: 9, rate: 10, part: 7, tables: 11 }
/** The cells of names: of a split, and of a stage. */
const NAME = { least: 8, most: 24 }

/** Draws the state of a run in at most so many lines and cells. The least important lines are left out of a low window. */
export function drawState(state: LiveState, size: ScreenSize, styles: Styles): string[] {
  const width = Math.min(size.width, WIDEST)
  const stages = stageLines(state, width, styles)
  const metrics = state.metrics.flatMap((each) => metricLines(each, width, styles))
  const parts: Part[] = [
    { rank: 0, line: styles.bold(cutToCells(titleOf(state, width), width)) },
    { rank: 1, line: barOf(state, width, styles) },
    ...(metrics.length > 0 ? [{ rank: 90, line: '' }] : []),
    ...metrics.map((line, i) => ({ rank: i === 0 ? 50 : 2 + i, line })),
    { rank: 91, line: '' },
    ...stages,
  ]
  const kept = new Set([...parts].sort((a, b) => a.rank - b.rank).slice(0, size.height))
  return parts.filter((part) => kept.has(part)).map(({ line }) => line)
}

/** The name, and as much of the position as fits. */
function titleOf({ name, position }: LiveState, width: number): string {
  if (!position || position.steps === 0) return oneLine(name)
  const { epoch, epochs, step, steps } = position
  const parts = [
    name,
    `epoch ${Math.min(epochs, epoch)} of ${epochs}`,
    `step ${count(step)} of ${count(epochs * steps)}`,
  ]
  const texts = parts.map((_, i) =>
    parts
      .slice(0, i + 1)
      .map(oneLine)
      .join(' · '),
  )
  return texts.findLast((text) => cellsOf(text) <= width) ?? texts[0]!
}

/** The bar of progress, and the times. */
function barOf({ progress, elapsed, left }: LiveState, width: number, { accent, dim }: Styles): string {
  const times = `${duration(elapsed)}${left === undefined ? '' : left === 0 ? ', finishing' : `, ${duration(left)} left`}`
  if (progress === undefined) return dim(cutToCells(times, width))
  const end = `${String(Math.floor(100 * progress)).padStart(4)} %  ${times}`
  // The times change their length; the bar does not move with them.
  const cells = Math.max(0, width - Math.max(25, end.length) - 1)
  const done = Math.round(cells * progress)
  return `${accent('━'.repeat(done))}${dim('─'.repeat(cells - done))}${end}`
}

/** A heading and a line for each split, or for each metric of no split, with two numbers and their curves. */
export function metricLines({ last, infos, curves }: LiveMetrics, width: number, styles: Styles): string[] {
  const columns = progressColumns(last, infos)
  const name = nameCells(columns.map(({ title }) => title))
  const spark = Math.max(0, Math.min(32, Math.floor((width - name - CELLS.number - CELLS.share - 6) / 2)))
  const cell = (column: string | undefined, isShare: boolean): string => {
    const text = column === undefined ? '' : isShare ? share(last[column]) : number(last[column])
    const curve = column === undefined ? '' : sparkline(curves[column] ?? [], spark)
    return `${text.padStart(CELLS.number)}${spark > 3 ? ` ${styles.accent(padToCells(curve, spark))}` : ''}`
  }
  const heading = (text: string): string => {
    const shown = cutToCells(oneLine(text), CELLS.number)
    return `${' '.repeat(CELLS.number - cellsOf(shown))}${shown}${spark > 3 ? ' '.repeat(spark + 1) : ''}`
  }
  const named = columns.find(({ names }) => names[0] !== '' || names[1] !== '')
  const [first, second] = named?.names ?? ['', '']
  return [
    styles.dim(`${' '.repeat(name)}${heading(first)}  ${heading(second)}`.trimEnd()),
    ...columns.map(({ title, number, share }) =>
      `${padToCells(cutToCells(oneLine(title), name), name)}${cell(number, false)}  ${cell(share, true)}`.trimEnd(),
    ),
  ]
}

/** A heading and a line for each stage. In a low window, stages that take little time go first. */
function stageLines({ stages, bottleneck }: LiveState, width: number, styles: Styles): Part[] {
  const hasTables = width >= 46
  const name = Math.min(
    nameCells(stages.map(({ id }) => `  ${id}`)),
    width - CELLS.rate - CELLS.part - (hasTables ? CELLS.tables : 0),
  )
  const use = width - name - CELLS.rate - CELLS.part - CELLS.tables - 2
  const byShare = [...stages].sort((a, b) => b.share - a.share)
  const line = (stage: LiveStage): string => {
    const isSlowest = stage.id === bottleneck
    const title = padToCells(cutToCells(`${isSlowest ? '▸ ' : '  '}${oneLine(stage.id)}`, name), name)
    const numbers = [
      (stage.rowsPerSecond > 0 ? short(stage.rowsPerSecond) : '·').padStart(CELLS.rate),
      (stage.activity === 'done' && stage.share < 0.005 ? 'done' : `${Math.round(100 * stage.share)} %`).padStart(
        CELLS.part,
      ),
      ...(hasTables ? [(stage.inFlight > 0 ? count(stage.inFlight) : '·').padStart(CELLS.tables)] : []),
    ].join('')
    const remark = isSlowest ? 'bottleneck' : oneLine(stage.use)
    const end = use >= cellsOf(remark) ? `  ${isSlowest ? styles.warning(remark) : styles.dim(remark)}` : ''
    return `${isSlowest ? styles.warning(title) : title}${numbers}${end}`
  }
  const heading = [
    padToCells('  stage', name),
    'rows/s'.padStart(CELLS.rate),
    'time'.padStart(CELLS.part),
    ...(hasTables ? ['in flight'.padStart(CELLS.tables)] : []),
  ].join('')
  return [
    { rank: 51, line: styles.dim(cutToCells(heading, width)) },
    ...stages.map((stage) => ({ rank: 20 + Math.min(29, byShare.indexOf(stage)), line: line(stage) })),
  ]
}

function nameCells(names: readonly string[]): number {
  return Math.min(NAME.most, Math.max(NAME.least, ...names.map((name) => cellsOf(oneLine(name))))) + 1
}

function short(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)}G`
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)}M`
  if (value >= 1e4) return `${(value / 1e3).toFixed(value < 1e5 ? 1 : 0)}k`
  return value >= 10 ? count(Math.round(value)) : value.toPrecision(2)
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** A metric that is no share, in at most 9 cells. */
export function number(value: number | null | undefined): string {
  if (value === undefined || value === null) return '!'
  return Math.abs(value) >= 1e4 ? value.toExponential(2) : value.toFixed(4)
}

/** A share in per cent. */
export function share(value: number | null | undefined): string {
  return value === undefined || value === null ? '!' : `${(100 * value).toFixed(2)} %`
}

/** A time in its two largest units. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
