import type { Table } from 'apache-arrow'
import { defer, endWith, ignoreElements, map, type OperatorFunction } from 'rxjs'
import { z } from 'zod'
import { drawOffThread, prepareDrawing } from '../../figures/index.js'
import {
  columnInfosOf,
  defineStage,
  keptRows,
  listed,
  type MetricInfos,
  type MetricsRow,
  metricInfosOf,
  metricsRows,
  rowsFrom,
  rowsState,
  type StageContext,
  storedMetricInfos,
  wire,
} from '../../pipeline/stage-kit.js'
import { drawn, figureFiles, figureOptions, figurePaths } from './figure-files.js'

/**
 * Draws the metrics at the end of the run: cost, loss, accuracy and others of each split, the generalisation gap, and metrics
 * of no split, such as eta. A run that was stopped early has curves too; a run that failed has none.
 */
export const curves = defineStage({
  name: 'sink/curves',
  summary: 'Draws cost, loss, accuracy and generalisation gap over the epochs.',
  options: z.strictObject({
    ...figureOptions('curves'),
    scale: z.enum(['linear', 'log']).default('linear').describe('The axis of cost and loss.'),
    splits: z.array(z.string().min(1)).min(1).optional().describe('The splits to draw. Default: all.'),
    title: z.string().optional().describe('Title of the figure.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  onResume: { scale: 'whole', splits: 'whole', title: 'whole' },
  optional: true,
  example: '- use: sink/curves\n  from: metrics\n  with: { scale: log }',
  holds: 'the metrics',
  facts: ({ options, inputs, problem }) => {
    const known = inputs.metrics?.splits
    for (const [i, split] of (options.splits ?? []).entries())
      if (known && !known.includes(split))
        problem(`splits[${i}]`, `no split named "${split}" is evaluated; there is ${listed(known, 'and')}`)
    return {}
  },
  files: figurePaths,
  run: (options, context) => {
    prepareDrawing('curves')
    const write = figureFiles(context, options)
    return (metrics) =>
      metrics.pipe(
        allRows(context),
        drawn(context, async ({ rows, infos }, pause) => {
          if (rows.length === 0) return context.note('no metrics arrived, there are no curves to draw')
          const metricInfos = columnInfosOf(Object.keys(rows[0]!), infos)
          if (metricInfos.size === 0)
            return context.note(`the metrics (${Object.keys(rows[0]!).join(', ')}) have nothing that is drawn here`)
          const series = [{ name: '', rows }]
          await write(await drawOffThread('curvesFigure', [series, { ...options, metricInfos }], context.signal), pause)
        }),
      )
  },
})

/** The rows, and the metadata of their columns: after a resume there may be no further table to tell them. */
const state = keptRows.extend({ infos: storedMetricInfos.optional() })

/** The evaluations of a run, and the metadata of their columns. */
interface History {
  readonly rows: MetricsRow[]
  infos: MetricInfos | undefined
}

/** Gathers the rows. In a resumed run they include the rows from before. */
function allRows(context: StageContext): OperatorFunction<Table, History> {
  return (source) =>
    defer(() => {
      const history: History = { rows: [], infos: undefined }
      const { rows } = history
      context.state(state, {
        snapshot: () => ({ ...rowsState(rows), ...(history.infos && { infos: history.infos }) }),
        restore: ({ infos, ...saved }) => {
          for (const row of rowsFrom(saved)) rows.push(row)
          history.infos = infos
        },
      })
      return source.pipe(
        map((table) => {
          rows.push(...metricsRows(table))
          const infos = metricInfosOf(table)
          // Metrics that say nothing about themselves are drawn by their names.
          if (Object.keys(infos).length > 0) history.infos = infos
        }),
        ignoreElements(),
        endWith(history),
      )
    })
}
