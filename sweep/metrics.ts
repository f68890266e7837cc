import { join } from 'node:path'
import { z } from 'zod'
import { fileReason, PipelineError } from '../pipeline/base/errors.js'
import { checkDepth } from '../pipeline/base/json.js'
import { shortPath } from '../pipeline/base/words.js'
import { firstIssue } from '../pipeline/definition/issues.js'
import { hasInside, readInside } from '../pipeline/files/inside.js'
import { type ColumnInfos, columnInfosOf, metricInfoByName } from '../pipeline/wires/metric-info.js'
import type { MetricInfo, MetricInfos } from '../pipeline/wires/metrics.js'
import { storedMetricInfos } from '../pipeline/wires/stored-metric-infos.js'
import type { Outcome } from './executor.js'

/** The largest `run.json` that is read, in bytes. */
const MAX_RECORD = 16 << 20

const record = z.object({ metrics: storedMetricInfos.optional() })

/**
 * The metadata of the metrics of a sweep. The points of a sweep rarely differ in it: `run.json` of a point is read only
 * if the point has a column that no earlier one had, so that a thousand points need one file.
 */
export class SweepMetrics {
  private readonly directory: string
  private readonly known = new Map<string, MetricInfo>()

  /** @param directory of the sweep */
  constructor(directory: string) {
    this.directory = directory
  }

  /** The metadata of the final metrics of a point. Throws a PipelineError `DATA` if its `run.json` is damaged. */
  of({ key, final }: Pick<Outcome, 'key' | 'final'>): ColumnInfos {
    const columns = [...columnInfosOf(Object.keys(final ?? {}), undefined).keys()]
    if (columns.some((column) => !this.known.has(column))) this.read(key, columns)
    return new Map(columns.map((column) => [column, this.known.get(column) ?? metricInfoByName(column)]))
  }

  private read(key: string, columns: readonly string[]): void {
    const file = `points/${key}/run.json`
    if (!hasInside(this.directory, file)) return
    for (const [column, info] of columnInfosOf(columns, storedIn(this.directory, file)))
      if (!this.known.has(column)) this.known.set(column, info)
  }
}

function storedIn(directory: string, file: string): MetricInfos | undefined {
  try {
    return record.parse(checkDepth(JSON.parse(String(readInside(directory, file, MAX_RECORD))))).metrics
  } catch (cause) {
    const why = cause instanceof z.ZodError ? firstIssue(cause) : fileReason(cause)
    throw new PipelineError('DATA', `${shortPath(join(directory, file))} is damaged: ${why}`, { cause })
  }
}
