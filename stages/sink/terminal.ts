import { performance } from 'node:perf_hooks'
import type { Table } from 'apache-arrow'
import { defer, ignoreElements, map } from 'rxjs'
import { z } from 'zod'
import {
  defineStage,
  type MetricsRow,
  metricsRows,
  type Position,
  positionOf,
  type Terminal,
  wire,
} from '../../pipeline/stage-kit.js'

/** On a terminal, this many lines stay; those between them are overwritten. */
const MILESTONES = 20

/**
 * Shows progress: a line per evaluation with epoch, cost and accuracy of each split, and the time that is left.
 * On a terminal the current line is redrawn and every few lines one stays; elsewhere each line is printed plainly.
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
        const show = progress(terminal)
        return metrics.pipe(map(show), ignoreElements())
      }),
})

function progress(terminal: Terminal): (table: Table, index: number) => void {
  let firstTime: number | undefined
  let firstStep = 0
  return (table, index) => {
    const position = positionOf(table)
    const row = metricsRows(table).at(-1)!
    const splits = splitsIn(row)
    const now = performance.now()
    if (index === 0) {
      terminal.write(`${heading(splits)}\n`)
      firstTime = now
      firstStep = position.step
    }
    const total = position.epochs * position.steps
    const perStep = position.step > firstStep ? (now - firstTime!) / (position.step - firstStep) : undefined
    const left = perStep === undefined ? '' : duration(((total - position.step) * perStep) / 1000)
    const line = `${epochOf(position)}${splits.map((split) => cells(row, split)).join('')}${left.padStart(9)}`
    if (!terminal.interactive) return terminal.write(`${line}\n`)
    const isMilestone =
      position.epoch % Math.max(1, Math.ceil(position.epochs / MILESTONES)) === 0 || position.step === total
    terminal.write(`\r\x1b[2K${line}${isMilestone ? '\n' : ''}`)
  }
}

/** The splits of a row of metrics, by its columns `…_cost`. */
function splitsIn(row: MetricsRow): string[] {
  return Object.keys(row)
    .filter((name) => name.endsWith('_cost'))
    .map((name) => name.slice(0, -'_cost'.length))
}

const WIDTH = 20

function heading(splits: readonly string[]): string {
  const names = splits.map((split) => `  ${split.slice(0, WIDTH - 3)}`.padEnd(WIDTH)).join('')
  const columns = splits.map(() => `  ${'cost'.padStart(8)} accuracy`.padEnd(WIDTH)).join('')
  return `${''.padStart(10)}${names}\n${'epoch'.padStart(10)}${columns}${'left'.padStart(9)}`
}

function epochOf({ epoch, epochs, step, steps }: Position): string {
  const whole = step % steps === 0 ? String(epoch) : (step / steps).toFixed(2)
  return `${whole}/${epochs}`.padStart(10)
}

function cells(row: MetricsRow, split: string): string {
  const cost = row[`${split}_cost`]!
  const accuracy = row[`${split}_accuracy`] ?? Number.NaN
  const text = cost >= 1e4 ? cost.toExponential(2) : cost.toFixed(4)
  return `  ${text.padStart(8)} ${`${(100 * accuracy).toFixed(2)} %`.padStart(8)}`.padEnd(WIDTH)
}

function duration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
