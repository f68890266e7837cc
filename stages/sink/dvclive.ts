import { appendFileSync } from 'node:fs'
import type { Table } from 'apache-arrow'
import { defer, ignoreElements, tap } from 'rxjs'
import { stringify } from 'yaml'
import { z } from 'zod'
import {
  attempt,
  defineStage,
  keptRows,
  type MetricInfos,
  type MetricsRow,
  metricColumns,
  metricInfosOf,
  metricsRows,
  nonFiniteAsText,
  outputPath,
  replaceFile,
  rowsFrom,
  rowsState,
  type StageContext,
  slugOf,
  storedMetricInfos,
  wire,
} from '../../pipeline/stage-kit.js'
import { SeenTables, seenState } from './seen-tables.js'

const options = z.strictObject({
  path: outputPath.default('dvclive').describe('Folder inside the run directory.'),
  params: z
    .record(z.string(), z.json())
    .optional()
    .describe('What params.yaml says, such as { eta: "${eta}", lambda: "${lambda}" }. Default: there is no such file.'),
})

/** The rows so far, from which all files are made again when a run is resumed. */
const state = keptRows.extend({ infos: storedMetricInfos, ...seenState.shape })

/**
 * Writes metrics in the layout of DVCLive, which `dvc exp show`, `dvc plots` and the DVC extension of editors read:
 * `metrics.json` with the last evaluation, and a table for each metric, `plots/metrics/train/loss.tsv` from the column
 * `train_loss`, with the columns `step` and `loss`. Tables grow with each evaluation.
 */
export const dvclive = defineStage({
  name: 'sink/dvclive',
  summary: 'Writes metrics in the layout of DVCLive.',
  options,
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/dvclive\n  from: metrics\n  with: { params: { eta: 0.1 } }',
  holds: 'the metrics',
  files: ({ path, params }) => [`${path}/metrics.json`, ...(params ? [`${path}/params.yaml`] : [])],
  run: (options, context) => {
    const summary = context.file(`${options.path}/metrics.json`)
    const params = options.params && context.file(`${options.path}/params.yaml`)
    return (metrics) =>
      defer(() => {
        const rows: MetricsRow[] = []
        const seen = new SeenTables()
        const plots = new Plots(options.path, context)
        context.state(state, {
          snapshot: () => ({ ...rowsState(rows), infos: plots.infos, ...seen.now }),
          restore: ({ columns, values, infos, ...counts }) => {
            for (const row of rowsFrom({ columns, values })) rows.push(row)
            plots.infos = infos
            seen.restore(counts)
          },
          begin: () => {
            if (params) replaceFile(params, stringify(options.params))
            const last = rows.at(-1)
            if (last) replaceFile(summary, summaryOf(last, plots.infos))
            plots.begin(rows)
          },
        })
        return metrics.pipe(
          tap((table: Table) => {
            if (!seen.isNew(table)) return
            seen.count(table)
            plots.infos = metricInfosOf(table)
            for (const row of metricsRows(table)) {
              rows.push(row)
              plots.append(row)
              replaceFile(summary, summaryOf(row, plots.infos))
            }
          }),
          ignoreElements(),
        )
      })
  },
})

/** Split and name of the metric of a column: `['train', 'loss']`. */
function partsOf(column: string, infos: MetricInfos): string[] {
  const { split, name = column } = infos[column] ?? {}
  return split ? [split, name] : [name]
}

/** The content of `metrics.json`: the step, and the metrics by split. Numbers that JSON has not are texts. */
function summaryOf(row: MetricsRow, infos: MetricInfos): string {
  const content: Record<string, unknown> = { step: row.step, epoch: row.epoch }
  for (const column of metricColumns(Object.keys(row))) {
    const [first, second] = partsOf(column, infos) as [string, string | undefined]
    if (second === undefined) content[first] = row[column]
    else content[first] = { ...(content[first] as object | undefined), [second]: row[column] }
  }
  return `${JSON.stringify(content, nonFiniteAsText, 2)}\n`
}

/** The tables of the metrics, a file each. */
class Plots {
  /** The metadata of the columns. */
  infos: MetricInfos = {}
  private readonly folder: string
  private readonly context: StageContext
  private readonly files = new Map<string, string>()

  constructor(folder: string, context: StageContext) {
    this.folder = `${folder}/plots/metrics`
    this.context = context
  }

  /** Writes all tables anew. */
  begin(rows: readonly MetricsRow[]): void {
    for (const column of metricColumns(Object.keys(rows[0] ?? {})))
      replaceFile(this.fileOf(column), this.header(column) + rows.map((row) => lineOf(row, column)).join(''))
  }

  /** Adds a row to each table. */
  append(row: MetricsRow): void {
    for (const column of metricColumns(Object.keys(row))) {
      const isNew = !this.files.has(column)
      const file = this.fileOf(column)
      if (isNew) replaceFile(file, this.header(column) + lineOf(row, column))
      else attempt('write', file, () => appendFileSync(file, lineOf(row, column)))
    }
  }

  private fileOf(column: string): string {
    let file = this.files.get(column)
    if (file === undefined) {
      file = this.context.file(`${this.folder}/${partsOf(column, this.infos).map(slugOf).join('/')}.tsv`)
      this.files.set(column, file)
    }
    return file
  }

  private header(column: string): string {
    return `step\t${partsOf(column, this.infos).at(-1)!.replaceAll(/\s/g, ' ')}\n`
  }
}

function lineOf(row: MetricsRow, column: string): string {
  return `${row.step}\t${row[column]}\n`
}
