import { performance } from 'node:perf_hooks'
import type { Table } from 'apache-arrow'
import { defer, ignoreElements, map } from 'rxjs'
import { z } from 'zod'
import {
  cutToCells,
  defineStage,
  metricInfosOf,
  metricsRows,
  oneLine,
  type Position,
  padToCells,
  positionOf,
  type Terminal,
  wire,
} from '../../pipeline/stage-kit.js'
import { type ProgressColumn, progressColumns } from './progress-columns.js'

/** Number of lines that stay on a terminal. The lines between them are overwritten. */
const MILESTONES = 20

/**
 * Shows progress: a line per evaluation with the epoch, two metrics of each split (the cost, and the first metric that
 * is a share, such as the accuracy) and the remaining time. Metrics without a split are shown one by one. On a
 * terminal, the current line is redrawn and only some lines stay; as many columns are shown as fit into its width, from
 * the left. If the output is no terminal, every line is printed, with all columns. Where a screen shows the metrics already,
 * it prints nothing.
 */
export const terminal = defineStage({
  name: 'sink/terminal',
  summary: 'Shows progress: epoch, cost, accuracy and the time that is left.',
  options: z.strictObject({}),
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/terminal\n  from: metrics',
  run:
    (_, { terminal }) =>
    (metrics) =>
      defer(() => {
        if (terminal.showsMetrics) return metrics.pipe(ignoreElements())
        const show = progress(terminal)
        return metrics.pipe(map(show), ignoreElements())
      }),
})

function progress(terminal: Terminal): (table: Table, index: number) => void {
  let all: readonly ProgressColumn[] = []
  /** The number of columns under the last heading. */
  let shown = -1
  let firstTime: number | undefined
  let firstStep = 0
  return (table, index) => {
    const position = positionOf(table)
    const row = metricsRows(table).at(-1)!
    const now = performance.now()
    if (index === 0) {
      all = progressColumns(row, metricInfosOf(table))
      firstTime = now
      firstStep = position.step
    }
    const width = terminal.interactive ? terminal.width || USUAL_WIDTH : Number.POSITIVE_INFINITY
    const columns = all.slice(0, fitting(width))
    // A window that has another width now needs another heading.
    if (columns.length !== shown) {
      const lines = heading(columns).map((line) => `${cut(line, width)}\n`)
      terminal.write(`${shown < 0 ? '' : REDRAW}${lines.join('')}`)
      shown = columns.length
    }
    const total = position.epochs * position.steps
    const perStep = position.step > firstStep ? (now - firstTime!) / (position.step - firstStep) : undefined
    const left = perStep === undefined ? '' : duration(((total - position.step) * perStep) / 1000)
    const cells = columns.map(({ number, share }) => cellsOf(row[number ?? ''], row[share ?? '']))
    const line = `${epochOf(position)}${cells.join('')}${left.padStart(LAST)}`
    if (!terminal.interactive) return terminal.write(`${line}\n`)
    const isMilestone =
      position.epoch % Math.max(1, Math.ceil(position.epochs / MILESTONES)) === 0 || position.step === total
    terminal.write(`${REDRAW}${cut(line, width)}${isMilestone ? '\n' : ''}`)
  }
}

/** Returns to the start of the line and clears it. */
const REDRAW = '\r\x1b[2K'
/** Terminals that do not tell their width get this one. */
const USUAL_WIDTH = 80
/** The cells of the first column, of one in the middle, and of the last. */
const [FIRST, MIDDLE, LAST] = [10, 20, 9]

/** How many columns fit into the middle of a line. */
function fitting(width: number): number {
  return Math.max(0, Math.floor((width - 1 - FIRST - LAST) / MIDDLE))
}

/** Cuts a line so that it does not reach the last cell: a terminal may break the line there. */
function cut(line: string, width: number): string {
  return cutToCells(line, Math.max(0, width - 1))
}

/** The two lines of the heading. */
function heading(columns: readonly ProgressColumn[]): [titles: string, names: string] {
  const titles = columns.map(({ title }) => padToCells(`  ${cutToCells(oneLine(title), MIDDLE - 3)}`, MIDDLE)).join('')
  const names = columns
    .map(({ names }) => {
      const [number, share] = names.map((name) => cutToCells(oneLine(name), 8))
      return padToCells(`  ${padToCells(number!, 8, 'start')} ${share}`, MIDDLE)
    })
    .join('')
  return [`${''.padStart(FIRST)}${titles}`, `${'epoch'.padStart(FIRST)}${names}${'left'.padStart(LAST)}`]
}

function epochOf({ epoch, epochs, step, steps }: Position): string {
  const whole = step % steps === 0 ? String(epoch) : (step / steps).toFixed(2)
  return `${whole}/${epochs}`.padStart(FIRST)
}

function cellsOf(number: number | undefined, share: number | undefined): string {
  const first = number === undefined ? '' : number >= 1e4 ? number.toExponential(2) : number.toFixed(4)
  const second = share === undefined ? '' : `${(100 * share).toFixed(2)} %`
  return `  ${first.padStart(8)} ${second.padStart(8)}`.padEnd(MIDDLE)
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
