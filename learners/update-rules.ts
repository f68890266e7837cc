import type { Numbers } from '../pipeline/stage-kit.js'

/** The settings of one step of an update rule. */
export interface UpdateStep {
  /** Learning rate. */
  readonly eta: number
  /** Factor of weight decay, `decay · w` is added to the gradient: `2 · lambda` for weights, 0 for biases. */
  readonly decay: number
  /** Number of steps since the run began, including this one. */
  readonly step: number
}

/**
 * Changes parameters by a gradient: a pair of pure functions over flat arrays. Each array of a model has its own state,
 * which checkpoints store together with the parameters.
 */
export interface UpdateRule {
  /** Its name in pipelines. */
  readonly name: string
  /** Returns the initial state for an array of `length` numbers, by name; empty if the rule keeps no state. */
  init(length: number): Readonly<Record<string, Float64Array>>
  /**
   * Makes one step in place. Throws a RangeError if the gradient has another length than the parameters.
   *
   * @param parameters the array to change
   * @param gradient of the mean loss, without the penalty
   * @param state the state that `init` made; changed in place
   */
  update(parameters: Numbers, gradient: Numbers, state: Readonly<Record<string, Float64Array>>, step: UpdateStep): void
}

/**
 * Plain gradient descent: `w -= eta * (g + decay * w)`, computed in float64 and rounded once. All kernels share this
 * code, so every process of a divided run makes the same step.
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
