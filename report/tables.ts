import { slugOf } from '../pipeline/base/slug.js'
import { metricInfoByName } from '../pipeline/wires/metric-info.js'
import type { MetricInfo } from '../pipeline/wires/metrics.js'
import { formatMetric, formatPercent, formatterOf } from './metric-format.js'
import type { Experiment, Report } from './model.js'
import type { Summary } from './summary.js'
import type { Comparison, Verdict } from './verdict.js'

/** A cell of a table. */
export interface Cell {
  /** The text for people. */
  readonly text: string
  /** The number for programs, with all its digits; undefined if the cell is text. */
  readonly value?: number | undefined
  /** The standard deviation over the seeds. */
  readonly deviation?: number | undefined
  /** The verdict that the cell shows. */
  readonly verdict?: Verdict
  /** Whether the cell is in the best row. */
  readonly isBest?: boolean
  /** The numbers of the notes on the cell, from 1. */
  readonly notes?: readonly number[]
}

/** A column of a table. */
export interface Column {
  /** The heading. */
  readonly name: string
  /** Whether the cells are numbers, to be aligned at the right. */
  readonly isNumeric?: boolean
}

/** A table that can be written in every format. */
export interface DataTable {
  /** The name of its files, without the ending. */
  readonly id: string
  /** The caption above the table. */
  readonly caption: string
  /** The columns. */
  readonly columns: readonly Column[]
  /** The cells, row by row. The first cell of a row is its heading. */
  readonly rows: readonly (readonly Cell[])[]
  /** The notes below the table. */
  readonly notes: readonly string[]
}

const none: Cell = { text: '–' }
const numeric = (name: string): Column => ({ name, isNumeric: true })

/**
 * The tables of a report: parameters, the final values of each metric, and published numbers compared with reproduced
 * ones.
 */
export function tablesOf(report: Report): DataTable[] {
  const finalTables = metricNames(report).map((name) => finalTable(report, name))
  return [parametersTable(report), ...finalTables, publishedTable(report)].filter(
    ({ rows, columns }) => rows.length > 0 && columns.length > 1,
  )
}

function parametersTable({ experiments }: Report): DataTable {
  const number = (value: number | string | undefined): Cell =>
    typeof value === 'number' ? { text: String(value), value } : value === undefined ? none : { text: value }
  const words = (['layers', 'loss', 'update'] as const).filter((name) =>
    experiments.some(({ parameters }) => parameters[name] !== undefined),
  )
  const isWhole = experiments.every(({ runs }) => runs.every(({ record }) => record.status === 'done'))
  return {
    id: 'parameters',
    caption: 'Parameters of the experiments',
    columns: [
      { name: 'Experiment' },
      ...['seed', 'batch size', 'epochs', 'lambda', 'eta'].map(numeric),
      ...words.map((name) => ({ name })),
      ...(isWhole ? [] : [{ name: 'status' }]),
    ],
    rows: experiments.map(({ label, runs, parameters }) => [
      { text: label },
      seedsCell(runs.map(({ record }) => record.seed)),
      ...[parameters.batchSize, parameters.epochs, parameters.lambda, parameters.eta].map(number),
      ...words.map((name) => number(parameters[name])),
      ...(isWhole ? [] : [{ text: statusOf(runs) }]),
    ]),
    notes: [],
  }
}

/** Formats seeds: `400–404` if they are consecutive, else all of them. */
function seedsCell(all: readonly number[]): Cell {
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

/**
 * The names of the metrics that have a table: cost, accuracy, then others in the order of the columns. Loss has one
 * beside the cost only if lambda differs, because then the costs cannot be compared. Columns that belong to no split and have no direction, such as eta, have none either.
 */
function metricNames({ metricInfos: infos, experiments }: Report): string[] {
  const shown = [...infos.values()].filter(({ split, better }) => split !== undefined || better !== undefined)
  const names = new Set(shown.map(({ name }) => name))
  const isLossShown = !names.has('cost') || new Set(experiments.map(({ parameters }) => parameters.lambda)).size > 1
  const first = ['cost', isLossShown ? 'loss' : '', 'accuracy'].filter((name) => names.has(name))
  if (!isLossShown) names.delete('loss')
  return [...new Set([...first, ...names])]
}

/** A row for each experiment. A column for each split, and one more if a number was published for it. */
function finalTable(report: Report, metric: string): DataTable {
  const { experiments, metricInfos, splits } = report
  const order = ({ split }: MetricInfo): number => (split === undefined ? -1 : splits.indexOf(split))
  const shown = [...metricInfos]
    .filter(([column, { name }]) => name === metric && experiments.some(({ final }) => final.has(column)))
    .sort(([, a], [, b]) => order(a) - order(b))
  const isPublished = (column: string): boolean => experiments.some(({ published }) => published?.metrics[column])
  const notes = noteList()
  const isRepeated = experiments.some(({ runs }) => runs.length > 1)
  const title = shown[0]?.[1].title ?? metric
  return {
    // The name comes from a file and becomes the name of a file; two classes must not become one.
    id: `final-${slugOf(metric)}`,
    caption: `Final ${title} of the experiments${isRepeated ? ', mean ± standard deviation over the seeds' : ''}`,
    columns: [
      { name: 'Experiment' },
      ...shown.flatMap(([column, info]) => {
        const label = formatMetric(info)
        return isPublished(column) ? [`${label}, published`, `${label}, reproduced`].map(numeric) : [numeric(label)]
      }),
    ],
    rows: experiments.map((experiment) => [
      { text: experiment.label },
      ...shown.flatMap(([column, info]) => {
        const comparison = experiment.comparisons.find((each) => each.metric === column)
        const format = formatterOf(info)
        return [
          ...(isPublished(column) ? [publishedCell(comparison, format, notes.add)] : []),
          summaryCell(experiment.final.get(column), format),
        ]
      }),
    ]),
    notes: notes.all,
  }
}

function publishedTable({ experiments, metricInfos }: Report): DataTable {
  const notes = noteList()
  const rows = experiments.flatMap(({ label, comparisons, published }) =>
    comparisons.map((comparison): Cell[] => {
      const { metric, tolerance, reproduced, difference, verdict } = comparison
      const info = metricInfos.get(metric) ?? metricInfoByName(metric)
      const format = formatterOf(info)
      const about = [...(published?.note ? [published.note] : []), ...comparison.notes]
      return [
        { text: label },
        { text: formatMetric(info) },
        publishedCell(comparison, format, notes.add),
        summaryCell(reproduced, format),
        difference === undefined ? none : { text: signed(pointsOf(format, format(difference))), value: difference },
        tolerance === undefined
          ? none
          : {
              text: `± ${pointsOf(format, format === formatPercent ? format(tolerance) : String(tolerance))}`,
              value: tolerance,
            },
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
  format: (value: number) => string,
  note: (text: string) => number,
): Cell {
  if (!comparison) return none
  const { published: value, corrected, notes } = comparison
  const formatPublished = format === formatPercent ? format : String
  if (corrected === undefined) return { text: formatPublished(value), value }
  return {
    text: `${formatPublished(value)} (should be ${formatPublished(corrected)})`,
    value,
    ...(notes[0] && { notes: [note(notes[0])] }),
  }
}

/** The cell of a metric: its mean, with ± its deviation if there are several runs. */
export function summaryCell(summary: Summary | undefined, format: (value: number) => string): Cell {
  if (!summary) return none
  const { mean, deviation } = summary
  const unit = /( %)?$/.exec(format(mean))![0]
  const text =
    deviation === undefined
      ? format(mean)
      : `${format(mean).slice(0, -unit.length || undefined)} ± ${format(deviation)}`
  return { text, value: mean, deviation }
}

/** Replaces the unit of a difference of shares: it is in points, not in per cent. */
function pointsOf(format: (value: number) => string, text: string): string {
  return format === formatPercent ? text.replace('%', 'points') : text
}

function signed(text: string): string {
  return text.startsWith('-') ? `−${text.slice(1)}` : `+${text}`
}

/** A list of notes. `add` returns the number of a note; equal notes share a number. */
function noteList(): { readonly all: string[]; readonly add: (text: string) => number } {
  const all: string[] = []
  const add = (text: string): number => {
    if (!all.includes(text)) all.push(text)
    return all.indexOf(text) + 1
  }
  return { all, add }
}
