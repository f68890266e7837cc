import { defer, ignoreElements, tap } from 'rxjs'
import { z } from 'zod'
import {
  anyNumber,
  checkMonitor,
  defineStage,
  isBetter,
  monitored,
  monitorOption,
  wire,
} from '../../pipeline/stage-kit.js'

const state = z.strictObject({
  best: z.strictObject({ value: anyNumber, epoch: z.int() }).optional(),
  worse: z.int(),
})

/**
 * Early stopping (L. Prechelt, 1998): ends the run if a metric has not become better for a number of evaluations. The
 * metadata of the metric says whether higher or lower is better. NaN is never better.
 */
export const patience = defineStage({
  name: 'stop/patience',
  summary: 'Ends the run when a metric stops becoming better.',
  options: z.strictObject({
    monitor: monitorOption,
    patience: z.int().positive().default(10).describe('Evaluations in a row without a better value.'),
    minDelta: z
      .number()
      .nonnegative()
      .default(0)
      .describe('A value counts as better only if it is better by more than this.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  example: '- use: stop/patience\n  from: metrics\n  with: { monitor: validation_accuracy, patience: 20 }',
  onResume: { patience: 'rest', minDelta: 'rest' },
  facts: checkMonitor,
  run:
    ({ monitor, patience, minDelta }, context) =>
    (metrics) =>
      defer(() => {
        let best: z.output<typeof state>['best']
        let worse = 0
        context.state(state, {
          snapshot: () => ({ best, worse }),
          restore: (saved) => {
            best = saved.best
            worse = saved.worse
          },
        })
        return metrics.pipe(
          monitored(monitor),
          tap(({ row, value, better }) => {
            const isBest = isBetter(better, value, best?.value, minDelta)
            worse = isBest ? 0 : worse + 1
            if (isBest) best = { value, epoch: row.epoch }
            if (worse < patience) return
            const past = best ? `the best was ${best.value} in epoch ${best.epoch}` : 'it never was a number'
            context.stop(`${monitor} has not become better for ${patience} evaluations; ${past}`)
          }),
          ignoreElements(),
        )
      }),
})
