import type { MetricInfo } from '../pipeline/wires/metrics.js'

/** Formats a metric for people: `training cost`, `validation accuracy`. */
export function formatMetric({ split, title }: MetricInfo): string {
  if (split === undefined) return title
  return `${split.replace(/^train(?=_|$)/, 'training').replaceAll('_', ' ')} ${title}`
}

/** The function that formats the values of a metric: shares in per cent, others as numbers. */
export function formatterOf({ unit }: MetricInfo): (value: number) => string {
  return unit === 'share' ? formatPercent : formatNumber
}

/** Formats a value with four decimals, or with an exponent if it is large. */
function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Math.abs(value) >= 1e4 ? value.toExponential(3) : value.toFixed(4)
}

/** Formats a share, from 0 to 1, in per cent. */
export function formatPercent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(2)} %` : String(value)
}
