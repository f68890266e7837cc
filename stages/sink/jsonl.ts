import type { Table } from 'apache-arrow'
import { z } from 'zod'
import { defineStage, metricsRows, nonFiniteAsText, outputPath, wire } from '../../pipeline/stage-kit.js'
import { appended } from './append.js'
import { isPredictions, jsonLines } from './flat-rows.js'

/**
 * Writes metrics as JSON Lines: one object per evaluation, written as soon as the evaluation is done; or predictions, one
 * object per example, with null for a label that is not known. Numbers that
 * overflowed are the strings `"Infinity"`, `"-Infinity"` and `"NaN"`, because JSON has no such numbers.
 */
export const jsonl = defineStage({
  name: 'sink/jsonl',
  summary: 'Writes metrics or predictions to a JSON Lines file, an object per evaluation or example.',
  options: z.strictObject({
    path: outputPath.default('metrics.jsonl').describe('File inside the run directory.'),
  }),
  inputs: { metrics: wire.flat },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/jsonl\n  from: metrics\n  with: { path: metrics.jsonl }',
  run: ({ path }, context) => {
    let linesOf: ((table: Table) => string) | undefined
    return appended(context, path, (table, file) => {
      linesOf ??= isPredictions(table) ? jsonLines : metricsLines
      file.append(linesOf(table))
    })
  },
})

function metricsLines(table: Table): string {
  return metricsRows(table)
    .map((row) => `${JSON.stringify(row, nonFiniteAsText)}\n`)
    .join('')
}
