import { z } from 'zod'
import { csvOf, defineStage, metricsRows, outputPath, wire } from '../../pipeline/stage-kit.js'
import { appended } from './append.js'

/**
 * Writes metrics as CSV, one row per evaluation. Each row is written as soon as it arrives. Numbers have the shortest
 * form that reads back to the same double; numbers that overflowed are `Infinity` or `NaN`.
 */
export const csv = defineStage({
  name: 'sink/csv',
  summary: 'Writes metrics to a CSV file, a row per evaluation.',
  options: z.strictObject({
    path: outputPath.default('metrics.csv').describe('File inside the run directory.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/csv\n  from: metrics\n  with: { path: metrics.csv }',
  run: ({ path }, context) => {
    let isBegun = false
    return appended(context, path, (table, file, index) => {
      if (!isBegun) {
        const columns = table.schema.names.map(String)
        file.keepTo(columns.join(', '))
        if (index === 0) file.append(csvOf([columns]))
        isBegun = true
      }
      // Numbers need no quotes.
      for (const row of metricsRows(table)) file.append(`${Object.values(row).join()}\n`)
    })
  },
})
