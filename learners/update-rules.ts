import type { Numbers } from '../pipeline/stage-kit.js'

/** What an update rule is told about one step. */
export interface UpdateStep {
  /** Learning rate. */
  readonly eta: number
  /** Factor of the parameters themselves in the gradient: `2 · lambda` for weights, 0 for biases. */
  readonly decay: number
  /** Steps done since the run began, this one included. */
  readonly step: number
}

/**
 * What a gradient does to parameters: a pair of pure functions over flat arrays. Each array of a model has a state of
 * its own, which lies beside the parameters in checkpoints.
 */
export interface UpdateRule {
  /** Its name in pipelines. */
  readonly name: string
  /** The state of an array of so many numbers before the first step, by name; empty if the rule keeps none. */
  init(length: number): Readonly<Record<string, Float64Array>>
  /**
   * Makes one step in place. Throws a RangeError if the gradient has another length than the parameters.
   *
   * @param parameters the array to change
   * @param gradient of the mean loss, without the penalty
   * @param state what `init` made, changed in place
   */
  update(parameters: Numbers, gradient: Numbers, state: Readonly<Record<string, Float64Array>>, step: UpdateStep): void
}

/**
 * Plain gradient descent: `w -= eta * (g + decay * w)`, computed in float64 and rounded once. The code is the same for
 * every kernel, so that every process of a divided run makes the same step.
 */
export const sgd: UpdateRule = {
  name: 'sgd',
  init: () => ({}),
  update: (parameters, gradient, _, { eta, decay }) => {
    if (gradient.length !== parameters.length)
      throw new RangeError(`a gradient of ${gradient.length} numbers does not fit ${parameters.length} parameters`)
    if (decay === 0) {
      for (let i = 0; i < parameters.length; i++) parameters[i] = parameters[i]! - eta * gradient[i]!
      return
    }
    for (let i = 0; i < parameters.length; i++)
      parameters[i] = parameters[i]! - eta * (gradient[i]! + decay * parameters[i]!)
  },
}

/** The update rules by name. */
export const updateRules: Readonly<Record<'sgd', UpdateRule>> = { sgd }
