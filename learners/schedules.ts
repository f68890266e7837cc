import { metricName, type Position, z } from '../pipeline/stage-kit.js'

const rate = z.number().positive()
const notNegative = z.number().nonnegative()

/** Learning rates that the schedules below share. */
const start = rate.describe('Learning rate of the first step.')
const end = notNegative.default(0).describe('Learning rate at the end.')

const cyclical = z
  .strictObject({
    min: notNegative.describe('Learning rate where a cycle begins and ends.'),
    max: rate.describe('Learning rate in the middle of a cycle.'),
    halfCycle: z.int().positive().describe('Steps from min to max, and as many back.'),
    halving: z.boolean().default(false).describe('Whether each cycle reaches half as far above min as the one before.'),
  })
  .refine(({ min, max }) => min <= max, { path: ['min'], message: 'expected at most max' })

const cosine = z.strictObject({
  start,
  end,
  period: z.int().positive().optional().describe('Steps until it starts again. Default: the whole run, once.'),
  growth: z.number().min(1).default(1).describe('Factor by which each period is longer than the one before.'),
})

const plateau = z
  .strictObject({
    start,
    metric: metricName.describe('The metric to watch: a column of the stage that evaluates this model.'),
    factor: rate.lt(1).default(0.1).describe('Factor of each reduction.'),
    patience: z
      .int()
      .positive()
      .default(10)
      .describe('Evaluations in a row without a better value before a reduction.'),
    minDelta: notNegative.default(0).describe('A value counts as better only if it is better by more than this.'),
    min: notNegative.default(0).describe('The smallest learning rate.'),
  })
  .refine(({ min, start }) => min <= start, { path: ['min'], message: 'expected at most start' })

/** The learning rate as an option: a constant, or one of the schedules. */
export const schedule = z.union([
  rate,
  z.strictObject({
    start: rate.describe('Learning rate of the first epochs.'),
    factor: rate.describe('Factor that the learning rate is multiplied by.'),
    every: z.int().positive().describe('Epochs between two changes.'),
  }),
  z.strictObject({
    exponential: z
      .strictObject({ start, factor: rate.describe('Factor per epoch; each step has its share of it.') })
      .describe('Multiplied by the same factor in every step.'),
  }),
  z.strictObject({ linear: z.strictObject({ start, end }).describe('A straight line over the whole run.') }),
  z.strictObject({ cosine: cosine.describe('Falls like half a wave of a cosine, once or again and again.') }),
  z.strictObject({ cyclical: cyclical.describe('Rises and falls in straight lines, again and again.') }),
  z.strictObject({ plateau: plateau.describe('Reduced whenever a metric has stopped becoming better.') }),
])

/** A learning rate that may change from step to step. */
export type Schedule = z.output<typeof schedule>

/** A learning rate that is reduced whenever a metric has stopped becoming better. */
export type PlateauSchedule = Extract<Schedule, { readonly plateau: unknown }>

/**
 * Returns the learning rate of a step, a pure function of the step's position. With `t` steps before it, of `T` in the
 * whole run:
 *
 * - `{ start, factor, every }`: `start * factor^floor((epoch - 1) / every)`.
 * - `exponential`: `start * factor^(t / steps per epoch)`.
 * - `linear`: from `start` to `end` in a straight line over `T` steps.
 * - `cosine`: `end + (start - end) * (1 + cos(π t / period)) / 2`, again and again, each period `growth` times as long
 *   as the one before (I. Loshchilov, F. Hutter: SGDR, 2017).
 * - `cyclical`: rises from `min` to `max` in `halfCycle` steps and falls back, again and again; with `halving`, each
 *   cycle reaches half as far above `min` as the one before (L. Smith, 2017: triangular and triangular2).
 * - `plateau`: `start * factor^reductions`, but at least `min`; whoever trains counts the reductions.
 *
 * With `warmUp`, the rate rises in a straight line over the first `warmUp` steps to the schedule's first value, and the
 * schedule begins after them.
 */
export function etaAt(eta: Schedule, position: Position, warmUp = 0, reductions = 0): number {
  const t = position.step - 1
  if (typeof eta === 'object' && 'plateau' in eta) {
    const { start, factor, min } = eta.plateau
    return Math.max(min, start * factor ** reductions) * (t < warmUp ? (t + 1) / warmUp : 1)
  }
  if (warmUp === 0) return scheduled(eta, t, position)
  if (t < warmUp) return (scheduled(eta, 0, { ...position, epoch: 1 }, warmUp) * (t + 1)) / warmUp
  return scheduled(eta, t - warmUp, position, warmUp)
}

function scheduled(
  eta: Exclude<Schedule, PlateauSchedule>,
  t: number,
  { epoch, epochs, steps }: Position,
  warmUp = 0,
): number {
  if (typeof eta === 'number') return eta
  if ('every' in eta) return eta.start * eta.factor ** Math.floor((epoch - 1) / eta.every)
  if ('exponential' in eta) return eta.exponential.start * eta.exponential.factor ** (t / steps)
  const total = Math.max(1, epochs * steps - warmUp)
  if ('linear' in eta) return eta.linear.start + (eta.linear.end - eta.linear.start) * (t / total)
  return 'cosine' in eta ? cosineAt(eta.cosine, t, total) : cyclicalAt(eta.cyclical, t)
}

function cosineAt({ start, end, period, growth }: z.output<typeof cosine>, t: number, total: number): number {
  const [at, length] = period === undefined ? [t, total] : placeInPeriods(t, period, growth)
  return end + ((start - end) * (1 + Math.cos((Math.PI * at) / length))) / 2
}

/** The steps since the period began that step `t` is in, and the length of that period. */
function placeInPeriods(t: number, first: number, growth: number): [at: number, length: number] {
  if (growth === 1) return [t % first, first]
  let from = 0
  let length = first
  while (t >= from + length) {
    from += length
    length *= growth
  }
  return [t - from, length]
}

function cyclicalAt({ min, max, halfCycle, halving }: z.output<typeof cyclical>, t: number): number {
  const at = t % (2 * halfCycle)
  const height = (max - min) * (halving ? 0.5 ** Math.floor(t / (2 * halfCycle)) : 1)
  return min + height * (at <= halfCycle ? at / halfCycle : 2 - at / halfCycle)
}
