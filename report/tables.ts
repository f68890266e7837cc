import type { Experiment, Report } from './model.js'
import type { Summary } from './summary.js'
import type { Comparison, Verdict } from './verdict.js'

export interface Cell {
  /** As people read it. */
  readonly text: string
  /** As programs read it, where that is more than the text. */
  readonly value?: number | undefined
  readonly deviation?: number | undefined
  readonly verdict?: Verdict
  /** Of the row to be pointed out. */
  readonly isBest?: boolean
  /** Numbers of the table's notes, from 1. */
  readonly notes?: readonly number[]
}

export interface Column {
  readonly name: string
  readonly isNumeric?: boolean
}

/** A table that every format can show; the first cell of a row is its head. */
export interface DataTable {
  /** Names its files. */
  readonly id: string
  readonly caption: string
  readonly columns: readonly Column[]
  readonly rows: readonly (readonly Cell[])[]
  readonly notes: readonly string[]
}

const none: Cell = { text: '–' }
const numeric = (name: string): Column => ({ name, isNumeric: true })

/** The tables of a report: parameters, final costs, accuracies, and what was published beside what was found. */
export function tablesOf(report: Report): DataTable[] {
  return [parametersTable(report), costTable(report), accuracyTable(report), publishedTable(report)].filter(
    ({ rows, columns }) => rows.length > 0 && columns.length > 1,
  )
}

function parametersTable({ experiments }: Report): DataTable {
  const number = (value: number | string | undefined): Cell =>
    typeof value === 'number' ? { text: String(value), value } : value === undefined ? none : { text: value }
  const isWhole = experiments.every(({ runs }) => runs.every(({ record }) => record.status === 'done'))
  return {
    id: 'parameters',
    caption: 'Parameters of the experiments',
    columns: [
      { name: 'Experiment' },
      ...['seed', 'n_batch', 'n_epochs', 'lambda', 'eta'].map(numeric),
      ...(isWhole ? [] : [{ name: 'status' }]),
    ],
    rows: experiments.map(({ label, runs, parameters }) => [
      { text: label },
      seeds(runs.map(({ record }) => record.seed)),
      ...[parameters.batchSize, parameters.epochs, parameters.lambda, parameters.eta].map(number),
      ...(isWhole ? [] : [{ text: statusOf(runs) }]),
    ]),
    notes: [],
  }
}

/** `400–404` where they follow each other, else all of them. */
function seeds(all: readonly number[]): Cell {
  const sorted = [...new Set(all)].sort((a, b) => a - b)
  const [first, last] = [sorted[0]!, sorted.at(-1)!]
  if (sorted.length === 1) return { text: String(first), value: first }
  return { text: last - first === sorted.length - 1 ? `${first}–${last}` : sorted.join(', ') }
}

function statusOf(runs: Experiment['runs']): string {
  const counts = new Map<string, number>()
  for (const { record } of runs) counts.set(record.status, (counts.get(record.status) ?? 0) + 1)
  return runs.length === 1 ? runs[0]!.record.status : [...counts].map(([status, n]) => `${n} ${status}`).join(', ')
}

function costTable(report: Report): DataTable {
  return finalTable(report, 'cost', 'Final cost', cost)
}

function accuracyTable(report: Report): DataTable {
  return finalTable(report, 'accuracy', 'Final accuracy', percent)
}

/** One row per experiment, one column per split, and one for what was published of it. */
function finalTable(report: Report, metric: string, caption: string, word: (value: number) => string): DataTable {
  const names = report.splits.map((split) => `${split}_${metric}`)
  const shown = names.filter((name) => report.experiments.some(({ final }) => final.has(name)))
  const told = (name: string): boolean => report.experiments.some(({ published }) => published?.metrics[name])
  const notes = noteList()
  const repeated = report.experiments.some(({ runs }) => runs.length > 1)
  return {
    id: `final-${metric}`,
    caption: `${caption} of the experiments${repeated ? ', mean ± standard deviation over the seeds' : ''}`,
    columns: [
      { name: 'Experiment' },
      ...shown.flatMap((name) => [
        ...(told(name) ? [numeric(`${formatMetric(name)}, published`)] : []),
        numeric(told(name) ? `${formatMetric(name)}, reproduced` : formatMetric(name)),
      ]),
    ],
    rows: report.experiments.map((experiment) => [
      { text: experiment.label },
      ...shown.flatMap((name) => {
        const comparison = experiment.comparisons.find((each) => each.metric === name)
        return [
          ...(told(name) ? [publishedCell(comparison, word, notes.add)] : []),
          summaryCell(experiment.final.get(name), word),
        ]
      }),
    ]),
    notes: notes.all,
  }
}

function publishedTable({ experiments }: Report): DataTable {
  const notes = noteList()
  const rows = experiments.flatMap(({ label, comparisons, published }) =>
    comparisons.map((comparison): Cell[] => {
      const { metric, tolerance, reproduced, difference, verdict } = comparison
      const word = wordOf(metric)
      const about = [...(published?.note ? [published.note] : []), ...comparison.notes]
      return [
        { text: label },
        { text: formatMetric(metric) },
        publishedCell(comparison, word, notes.add),
        summaryCell(reproduced, word),
        difference === undefined ? none : { text: signed(pointsOf(word, word(difference))), value: difference },
        tolerance === undefined
          ? none
          : { text: `± ${pointsOf(word, word === percent ? word(tolerance) : String(tolerance))}`, value: tolerance },
        { text: verdict, verdict, notes: about.map(notes.add) },
      ]
    }),
  )
  const columns = ['published', 'reproduced', 'difference', 'tolerance'].map(numeric)
  return {
    id: 'published',
    caption: 'What was published beside what was reproduced',
    columns: [{ name: 'Experiment' }, { name: 'quantity' }, ...columns, { name: 'verdict' }],
    rows,
    notes: notes.all,
  }
}

function publishedCell(
  comparison: Comparison | undefined,
  word: (value: number) => string,
  note: (text: string) => number,
): Cell {
  if (!comparison) return none
  const { published: value, corrected, notes } = comparison
  const printed = word === percent ? word : String
  if (corrected === undefined) return { text: printed(value), value }
  return {
    text: `${printed(value)} (should be ${printed(corrected)})`,
    value,
    ...(notes[0] && { notes: [note(notes[0])] }),
  }
}

export function summaryCell(summary: Summary | undefined, word: (value: number) => string): Cell {
  if (!summary) return none
  const { mean, deviation } = summary
  const unit = /( %)?$/.exec(word(mean))![0]
  const text =
    deviation === undefined ? word(mean) : `${word(mean).slice(0, -unit.length || undefined)} ± ${word(deviation)}`
  return { text, value: mean, deviation }
}

/** A difference of shares is in points, not in per cent. */
function pointsOf(word: (value: number) => string, text: string): string {
  return word === percent ? text.replace('%', 'points') : text
}

function signed(text: string): string {
  return text.startsWith('-') ? `−${text.slice(1)}` : `+${text}`
}

/** Equal notes share a number. */
function noteList(): { readonly all: string[]; readonly add: (text: string) => number } {
  const all: string[] = []
  const add = (text: string): number => {
    if (!all.includes(text)) all.push(text)
    return all.indexOf(text) + 1
  }
  return { all, add }
}

/** `train_cost` → `training cost`. */
export function formatMetric(metric: string): string {
  return metric.replace(/^train_/, 'training_').replaceAll('_', ' ')
}

/** How the values of a metric are written. */
export function wordOf(metric: string): (value: number) => string {
  return metric.endsWith('accuracy') ? percent : cost
}

export function cost(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Math.abs(value) >= 1e4 ? value.toExponential(3) : value.toFixed(4)
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(2)} %` : String(value)
}
