import { z } from 'zod'
import { defineStage, metricsRows, nonFiniteAsText, outputPath, wire } from '../../pipeline/stage-kit.js'
import { appended } from './append.js'

/**
 * Writes metrics as JSON Lines: one object per evaluation, written as soon as the evaluation is done. Numbers that
 * overflowed are the strings `"Infinity"`, `"-Infinity"` and `"NaN"`, because JSON has no such numbers.
 */
export const jsonl = defineStage({
  name: 'sink/jsonl',
  summary: 'Writes metrics to a JSON Lines file, an object per evaluation.',
  options: z.strictObject({
    path: outputPath.default('metrics.jsonl').describe('File inside the run directory.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/jsonl\n  from: metrics\n  with: { path: metrics.jsonl }',
  run: ({ path }, context) =>
    appended(context, path, (table, file) => {
      for (const row of metricsRows(table)) file.append(`${JSON.stringify(row, nonFiniteAsText)}\n`)
    }),
})
