import { ignoreElements, tap } from 'rxjs'
import { z } from 'zod'
import { arrowFile, copyParameters, defineStage, outputPath, replaceFile, wire } from '../../pipeline/stage-kit.js'
import { onlyLast } from './only-last.js'

/**
 * Writes the last parameters as an Arrow IPC file: one row per array with `name`, `shape` and `values`. The metadata of
 * the schema has epoch, step, classes and the other fields of the model. The file is written at the end of the run.
 */
export const parameters = defineStage({
  name: 'sink/parameters',
  summary: 'Writes the final parameters to an Arrow file.',
  options: z.strictObject({
    path: outputPath.default('parameters.arrow').describe('File inside the run directory.'),
  }),
  inputs: { parameters: wire.parameters },
  outputs: {},
  parallel: 'first',
  example: '- use: sink/parameters\n  from: model\n  with: { path: parameters.arrow }',
  asks: () => ({ parameters: { arrays: 'last' } }),
  run: ({ path }, context) => {
    const file = context.file(path)
    return (parameters) =>
      parameters.pipe(
        onlyLast(),
        tap((table) => replaceFile(file, arrowFile(copyParameters(table)))),
        ignoreElements(),
      )
  },
})
