import type { Table } from 'apache-arrow'
import { z } from 'zod'
import { defineStage, metricsRows, outputPath, wire } from '../../pipeline/stage-kit.js'
import { appended } from './append.js'
import { csvHeader, csvLines, isPredictions } from './flat-rows.js'

/**
 * Writes metrics as CSV, one row per evaluation, or predictions, one row per example. Each row is written as soon as it
 * arrives. Numbers have the shortest form that reads back to the same double; numbers that overflowed are `Infinity` or
 * `NaN`. A label that is not known is empty.
 */
export const csv = defineStage({
  name: 'sink/csv',
  summary: 'Writes metrics or predictions to a CSV file, a row per evaluation or example.',
  options: z.strictObject({
    path: outputPath.default('metrics.csv').describe('File inside the run directory.'),
  }),
  inputs: { metrics: wire.flat },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/csv\n  from: metrics\n  with: { path: metrics.csv }',
  run: ({ path }, context) => {
    let linesOf: ((table: Table) => string) | undefined
    return appended(context, path, (table, file, index) => {
      if (!linesOf) {
        file.keepTo(table.schema.names.map(String).join(', '))
        if (index === 0) file.append(csvHeader(table))
        linesOf = isPredictions(table) ? csvLines : metricsLines
      }
      file.append(linesOf(table))
    })
  },
})

/** Numbers need no quotes. */
function metricsLines(table: Table): string {
  return metricsRows(table)
    .map((row) => `${Object.values(row).join()}\n`)
    .join('')
}
