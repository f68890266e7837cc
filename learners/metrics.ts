import type { LearnerMetric } from '../pipeline/stage-kit.js'

/**
 * The metrics of a learner whose sums are the loss and the number of correct rows: `loss`, the mean over the rows;
 * `cost`, the loss plus the penalty; `accuracy`, the share of correct rows.
 *
 * @param unit of the loss, if it has one
 */
export function lossAndAccuracy<const U extends string>(unit?: U) {
  const lower = { ...(unit !== undefined && { unit }), better: 'lower' } as const
  return [
    { name: 'loss', title: 'loss', ...lower, value: ([loss], rows) => loss! / rows },
    { name: 'cost', title: 'cost', ...lower, value: ([loss], rows, penalty) => loss! / rows + penalty },
    {
      name: 'accuracy',
      title: 'accuracy',
      unit: 'share',
      better: 'higher',
      value: ([, correct], rows) => correct! / rows,
    },
  ] as const satisfies readonly LearnerMetric[]
}
