import { type MetricInfos, type MetricsRow, metricColumns } from '../../pipeline/stage-kit.js'

/** A column of the output: the names of the metrics that it shows as a number and as a share. */
export interface ProgressColumn {
  /** The split, or the name of a metric of no split. */
  readonly title: string
  /** The metric that is shown as a number, preferably the cost. */
  readonly number?: string
  /** The metric that is shown in per cent. */
  readonly share?: string
  /** The headings of the two. */
  readonly names: readonly [number: string, share: string]
}

/** The columns for the metrics of a row: one for each split, then those of no split. */
export function progressColumns(row: MetricsRow, infos: MetricInfos): ProgressColumn[] {
  const names = metricColumns(Object.keys(row))
  const splits = new Set(names.flatMap((name) => infos[name]?.split ?? []))
  const ofSplits = [...splits].map((split): ProgressColumn => {
    const own = names.filter((name) => infos[name]?.split === split)
    const numbers = own.filter((name) => infos[name]!.unit !== 'share')
    const number = numbers.find((name) => infos[name]!.name === 'cost') ?? numbers[0]
    const share = own.find((name) => infos[name]!.unit === 'share')
    const nameOf = (column: string | undefined): string => (column === undefined ? '' : infos[column]!.name)
    return {
      title: split,
      ...(number !== undefined && { number }),
      ...(share !== undefined && { share }),
      names: [nameOf(number), nameOf(share)],
    }
  })
  const others = names.filter((name) => infos[name]?.split === undefined)
  return [
    ...ofSplits,
    ...others.map((name): ProgressColumn => {
      const isShare = infos[name]?.unit === 'share'
      return { title: name, ...(isShare ? { share: name } : { number: name }), names: ['', ''] }
    }),
  ]
}
