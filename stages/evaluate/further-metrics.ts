import { type AnyLearner, type LearnerMetric, z } from '../../pipeline/stage-kit.js'
import type { Tally } from './scored-rows.js'
import {
  balancedAccuracy,
  calibrationError,
  classAccuracies,
  confidences,
  countsOf,
  macroF1,
  majorityAccuracy,
  squaredErrors,
  surprises,
  topK,
} from './tallies.js'

const names = [
  'balanced_accuracy',
  'macro_f1',
  'class_accuracy',
  'majority_accuracy',
  'auc',
  'log_loss',
  'brier_score',
  'calibration_error',
] as const

/** A metric beside those of the learner. */
export type Further = (typeof names)[number] | { readonly topK: number }

/** The option for metrics beside those of the learner. */
export const furtherOption = z
  .array(
    z.union([
      z.enum(names),
      z.strictObject({ topK: z.int().positive().describe('Number of classes among which the label must be.') }),
    ]),
  )
  .refine((chosen) => new Set(chosen.map(nameOf)).size === chosen.length, { error: 'expected each metric once' })
  .default([])
  .describe(
    'Metrics beside those of the learner, behind them in each split: balanced_accuracy, macro_f1, class_accuracy (a ' +
      'column per class), majority_accuracy (of always naming the most frequent class), auc, { topK: n }; and of ' +
      'learners with probabilities log_loss, brier_score, calibration_error.',
  )

/** What the columns of a metric say about themselves, without the split. */
export type ColumnInfo = Pick<LearnerMetric, 'name' | 'title' | 'unit' | 'better'>

/** Metrics that are computed from the sums of one tally. */
interface TalliedMetric {
  readonly tally: Tally
  /** A value for each of its columns, from its sums over all rows and their number. */
  values(sums: Float64Array, rows: number): readonly number[]
}

const share = { unit: 'share', better: 'higher' } as const

/** The columns of a metric; those of `class_accuracy` go by the names of the classes. */
export function columnsOfFurther(metric: Further, classes: readonly string[]): ColumnInfo[] {
  if (typeof metric === 'object') return [{ name: nameOf(metric), title: `top-${metric.topK} accuracy`, ...share }]
  switch (metric) {
    case 'balanced_accuracy':
      return [{ name: metric, title: 'balanced accuracy', ...share }]
    case 'macro_f1':
      return [{ name: metric, title: 'macro F1', better: 'higher' }]
    case 'class_accuracy':
      return classes.map((name) => ({ name: `accuracy_${name}`, title: `accuracy of ${name}`, ...share }))
    case 'majority_accuracy':
      // The data alone make it, so no direction is better.
      return [{ name: metric, title: 'accuracy of the majority class', unit: 'share' }]
    case 'auc':
      return [{ name: metric, title: 'AUC', better: 'higher' }]
    case 'log_loss':
      return [{ name: metric, title: 'log loss', unit: 'nats', better: 'lower' }]
    case 'brier_score':
      return [{ name: metric, title: 'Brier score', better: 'lower' }]
    case 'calibration_error':
      return [{ name: metric, title: 'expected calibration error', unit: 'share', better: 'lower' }]
  }
}

/** Whether the names of the columns depend on the classes. */
export function needsClasses(chosen: readonly Further[]): boolean {
  return chosen.includes('class_accuracy')
}

/** How metrics are computed for so many classes, in the order of `chosen`; undefined for the AUC, which is no sum. */
export function talliedMetrics(chosen: readonly Further[], classes: number): (TalliedMetric | undefined)[] {
  const counts = countsOf(classes)
  return chosen.map((metric) => tallied(metric, counts))
}

function tallied(metric: Further, counts: Tally): TalliedMetric | undefined {
  const mean = (tally: Tally): TalliedMetric => ({ tally, values: ([sum], rows) => [sum! / rows] })
  if (typeof metric === 'object') return mean(topK(metric.topK))
  switch (metric) {
    case 'balanced_accuracy':
      return { tally: counts, values: (sums) => [balancedAccuracy(sums)] }
    case 'macro_f1':
      return { tally: counts, values: (sums) => [macroF1(sums)] }
    case 'class_accuracy':
      return { tally: counts, values: classAccuracies }
    case 'majority_accuracy':
      return { tally: counts, values: (sums, rows) => [majorityAccuracy(sums, rows)] }
    case 'auc':
      return undefined
    case 'log_loss':
      return mean(surprises)
    case 'brier_score':
      return mean(squaredErrors)
    case 'calibration_error':
      return { tally: confidences, values: (sums, rows) => [calibrationError(sums, rows)] }
  }
}

/** Reports metrics that a learner cannot have, as far as learner and classes are known. */
export function checkFurther(
  chosen: readonly Further[],
  learner: AnyLearner | null | undefined,
  classes: readonly string[] | undefined,
  problem: (path: string, message: string) => void,
): void {
  for (const [i, metric] of chosen.entries()) {
    const path = `metrics[${i}]`
    if (learner && learner.scores !== 'logits' && needsProbabilities(metric))
      problem(
        path,
        `"${nameOf(metric)}" needs probabilities, and the scores of the learner "${learner.name}" give none; ` +
          'leave it out, or train a learner with cross-entropy',
      )
    if (learner?.metrics.some(({ name }) => name === nameOf(metric)))
      problem(path, `the learner "${learner.name}" has a metric "${nameOf(metric)}" of its own; leave this one out`)
    if (classes && typeof metric === 'object' && metric.topK >= classes.length)
      problem(
        `${path}.topK`,
        `expected less than the number of classes, ${classes.length}, got ${metric.topK}: every row would count`,
      )
  }
}

function needsProbabilities(metric: Further): boolean {
  return metric === 'log_loss' || metric === 'brier_score' || metric === 'calibration_error'
}

function nameOf(metric: Further): string {
  return typeof metric === 'object' ? `top${metric.topK}_accuracy` : metric
}
