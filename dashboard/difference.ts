import type { DataSource } from '../pipeline/base/data-source.js'
import {
  type MetricDifference,
  type OptionDifference,
  differenceOf as readDifference,
  type ValueDifference,
} from '../report/index.js'
import { formatterOf } from '../report/metric-format.js'
import type { DifferenceRow, RunDifference } from './contract.js'

/** What a run without such a thing has. */
const NONE = '–'

/** Compares two runs, in words for the page. Throws a PipelineError if one cannot be read. */
export async function differenceOf(first: string, second: string): Promise<RunDifference> {
  const { definition, data, rows, environment, metrics, files, remarks } = await readDifference(first, second)
  const differing = metrics.filter(({ first: at }) => at)
  return {
    groups: [
      { title: 'Definition', rows: definition.map(optionRow) },
      {
        title: 'Data',
        rows: [
          ...data.map(({ file, before, after }): DifferenceRow => [file, sourceText(before), sourceText(after)]),
          ...rows.map(valueRow),
        ],
      },
      { title: 'Environment', rows: environment.map(valueRow) },
      { title: 'Metrics: last value, and where they begin to differ', rows: differing.map(metricRow) },
    ],
    remarks: [
      `${files.compared} files were compared. ${files.differing.length > 0 ? `These differ: ${files.differing.join(', ')}` : 'All are the same.'}`,
      ...remarks,
    ],
  }
}

function optionRow({ option, before, after }: OptionDifference): DifferenceRow {
  const text = (side: typeof before): string => {
    if (side === undefined) return NONE
    const value = typeof side.value === 'string' ? side.value : JSON.stringify(side.value)
    return side.line === undefined ? value : `${value} (line ${side.line})`
  }
  return [option, text(before), text(after)]
}

function sourceText(source: DataSource | undefined): string {
  return source ? `${source.bytes} bytes, SHA-256 ${source.sha256.slice(0, 12)}` : 'not read'
}

function valueRow({ what, before = NONE, after = NONE }: ValueDifference): DifferenceRow {
  return [what, before, after]
}

function metricRow({ column, info, before, after, first }: MetricDifference): DifferenceRow {
  const text = (side: typeof before): string => {
    if (side === undefined) return NONE
    const format = formatterOf(info)
    const best = side.best === undefined ? '' : `, best ${format(side.best)} in epoch ${side.bestEpoch}`
    return `${format(side.final)}${best}`
  }
  return [`${column} (from step ${first!.step})`, text(before), text(after)]
}
