import { concatMap, ignoreElements, tap } from 'rxjs'
import { z } from 'zod'
import { checkMetric, defineStage, metricName, metricOf, metricsRows, wire } from '../../pipeline/stage-kit.js'

/** Ends the run if the difference of two metrics, such as training and validation cost, is larger than accepted. */
export const gap = defineStage({
  name: 'stop/gap',
  summary: 'Ends the run when two metrics are too far apart.',
  options: z.strictObject({
    between: z.tuple([metricName, metricName]).default(['train_cost', 'validation_cost']).describe('The two metrics.'),
    above: z.number().nonnegative().describe('Largest absolute difference that is accepted.'),
  }),
  inputs: { metrics: wire.metrics },
  outputs: {},
  example: '- use: stop/gap\n  from: metrics\n  with: { between: [train_cost, validation_cost], above: 0.5 }',
  onResume: { between: 'rest', above: 'rest' },
  facts: ({ options, inputs, problem }) => {
    for (const [i, name] of options.between.entries())
      checkMetric(name, inputs.metrics, (message) => problem(`between[${i}]`, message))
    return {}
  },
  run:
    ({ between: [first, second], above }, context) =>
    (metrics) =>
      metrics.pipe(
        concatMap(metricsRows),
        tap((row) => {
          const apart = Math.abs(metricOf(row, first) - metricOf(row, second))
          if (apart > above)
            context.stop(`${first} and ${second} are ${apart} apart in epoch ${row.epoch}, which is more than ${above}`)
        }),
        ignoreElements(),
      ),
})
