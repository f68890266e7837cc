import type { Table } from 'apache-arrow'
import { defer, ignoreElements, merge, tap } from 'rxjs'
import { z } from 'zod'
import {
  anyNumber,
  arrowFile,
  checkMonitor,
  copyParameters,
  defineStage,
  isBetter,
  monitored,
  monitorOption,
  outputPath,
  PipelineError,
  positionOf,
  replaceFile,
  wire,
} from '../../pipeline/stage-kit.js'

/**
 * Keeps the parameters with the best value of a metric (the first of equals) in an Arrow file, in the format of
 * `sink/parameters`. Every better value replaces the whole file, so the file is complete even if the run fails.
 */
export const best = defineStage({
  name: 'sink/best',
  summary: 'Keeps the parameters that were best by a metric.',
  options: z.strictObject({
    monitor: monitorOption,
    path: outputPath.default('best.arrow').describe('File inside the run directory.'),
  }),
  inputs: { parameters: wire.parameters, metrics: wire.metrics },
  outputs: {},
  parallel: 'first',
  example:
    '- use: sink/best\n  from: { parameters: model, metrics: metrics }\n  with: { monitor: validation_accuracy }',
  holds: 'the parameters (by reference)',
  facts: checkMonitor,
  run: ({ monitor, path }, context) => {
    const file = context.file(path)
    return ({ parameters, metrics }) =>
      defer(() => {
        let last: Table | undefined
        let best: number | undefined
        context.state(z.strictObject({ value: anyNumber }), {
          snapshot: () => (best === undefined ? undefined : { value: best }),
          restore: (saved) => {
            best = saved.value
          },
        })
        const kept = metrics.pipe(
          monitored(monitor),
          tap(({ row, value, better }) => {
            if (!isBetter(better, value, best)) return
            // Training waits during an evaluation, so the last parameters are those that were evaluated.
            if (!last || positionOf(last).step !== row.step)
              throw new PipelineError(
                'STAGE',
                `the parameters of step ${row.step} are gone: do both inputs come from one model?`,
              )
            best = value
            replaceFile(file, arrowFile(copyParameters(last)))
          }),
        )
        const seen = parameters.pipe(
          tap((table) => {
            last = table
          }),
        )
        return merge(seen, kept).pipe(ignoreElements())
      })
  },
})
