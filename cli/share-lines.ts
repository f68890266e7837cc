import { oneLine } from '../pipeline/base/plain-text.js'
import type { MetricInfos } from '../pipeline/wires/metrics.js'

/** A line for each metric that is a share, such as the accuracy, with its value on every split. */
export function shareLines(row: Readonly<Record<string, number>>, infos: MetricInfos): string[] {
  const byTitle = new Map<string, string[]>()
  for (const [column, { split, title, unit }] of Object.entries(infos)) {
    const value = row[column]
    if (unit !== 'share' || value === undefined) continue
    const text = `${split ? `${oneLine(split)} ` : ''}${(100 * value).toFixed(2)} %`
    byTitle.set(title, [...(byTitle.get(title) ?? []), text])
  }
  return [...byTitle].map(([title, values]) => `${oneLine(title)}: ${values.join(', ')}`)
}
