import { type NetworkStep, type Numbers, z } from '../pipeline/stage-kit.js'

/** The settings of one step of an update rule. */
export interface UpdateStep {
  /** Learning rate. */
  readonly eta: number
  /**
   * Factor of weight decay, `decay · w` is added to the gradient: `2 · lambda` for weights, 0 for biases. It is 0 for all
   * arrays if the gradient was clipped, which then has the penalty already.
   */
  readonly decay: number
  /** Whether the array holds weights. `adamw` shrinks nothing else. */
  readonly isWeights: boolean
  /** Number of steps since the run began, including this one. */
  readonly step: number
}

/**
 * Changes parameters by a gradient: a pair of pure functions over flat arrays. Each array of a model has its own state,
 * which checkpoints store together with the parameters. A kernel that performs the rule changes weights itself. These
 * functions change everything else, and all arrays in a divided run, whose processes so make the same step. They compute in
 * float64 and round once.
 */
export interface UpdateRule {
  /** Its name in pipelines. */
  readonly name: string
  /** The name and the numbers by which kernels perform it, see `StatefulStep` of the kernels. */
  readonly kernel: { readonly rule: NetworkStep['rule']; readonly numbers: readonly number[] }
  /**
   * Returns the initial state for an array of `length` numbers, by name; empty if the rule keeps no state.
   *
   * @param zeros makes an array of zeros; default: float64
   */
  init(length: number, zeros?: (length: number) => Numbers): Readonly<Record<string, Numbers>>
  /**
   * Makes one step in place. Throws a RangeError if the gradient has another length than the parameters.
   *
   * @param parameters the array to change
   * @param gradient of the mean loss, without the penalty
   * @param state the state that `init` made; changed in place
   */
  update(parameters: Numbers, gradient: Numbers, state: Readonly<Record<string, Numbers>>, step: UpdateStep): void
}

const share = z.number().min(0).lt(1)
const betas = {
  beta1: share.default(0.9).describe('How much of the mean gradient stays from step to step.'),
  beta2: share.default(0.999).describe('How much of the mean squared gradient stays from step to step.'),
  epsilon: z.number().positive().default(1e-8).describe('Added to the root of the mean squared gradient.'),
}
const decay = z.number().nonnegative().default(0.01).describe('The share of eta · w that each step takes off weights.')
const adamOptions = z.strictObject(betas)
const adamwOptions = z.strictObject({ ...betas, decay })

/** The update rule as an option: its name, or a mapping with its numbers. */
export const update = z.union([
  z.enum(['sgd', 'momentum', 'nesterov', 'adam', 'adamw']),
  z.strictObject({ momentum: share.describe('How much of the velocity stays from step to step.') }),
  z.strictObject({ nesterov: share.describe('How much of the velocity stays from step to step.') }),
  z.strictObject({ adam: adamOptions.describe('Adam; the penalty is part of the gradient.') }),
  z.strictObject({ adamw: adamwOptions.describe('Adam with a decay of its own.') }),
])

/** The choice of an update rule. */
export type Update = z.output<typeof update>

/** The numbers of a rule that is given by its name. */
const defaults = {
  momentum: { momentum: 0.9 },
  nesterov: { nesterov: 0.9 },
  adam: { adam: adamOptions.parse({}) },
  adamw: { adamw: adamwOptions.parse({}) },
}

/** Makes the update rule of an option. */
export function updateRule(chosen: Update): UpdateRule {
  if (chosen === 'sgd') return sgd
  const options = typeof chosen === 'string' ? defaults[chosen] : chosen
  if ('momentum' in options) return momentum(options.momentum)
  if ('nesterov' in options) return nesterov(options.nesterov)
  if ('adam' in options) return adam('adam', { ...options.adam, decay: 0 })
  return adam('adamw', options.adamw)
}

const float64 = (length: number): Numbers => new Float64Array(length)

/** Plain gradient descent: `w -= eta * (g + decay * w)`. */
export const sgd: UpdateRule = {
  name: 'sgd',
  kernel: { rule: 'sgd', numbers: [] },
  init: () => ({}),
  update: (w, gradient, _, { eta, decay }) => {
    checkLength(w, gradient)
    if (decay === 0) {
      for (let i = 0; i < w.length; i++) w[i] = w[i]! - eta * gradient[i]!
      return
    }
    for (let i = 0; i < w.length; i++) w[i] = w[i]! - eta * (gradient[i]! + decay * w[i]!)
  },
}

/** Momentum: `v = mu v + g`, `w -= eta v` (B. Polyak, 1964; as `torch.optim.SGD` has it). */
function momentum(mu: number): UpdateRule {
  return {
    name: 'momentum',
    kernel: { rule: 'momentum', numbers: [mu] },
    init: (length, zeros = float64) => ({ velocity: zeros(length) }),
    update: (w, gradient, { velocity }, { eta, decay }) => {
      checkLength(w, gradient)
      const v = velocity!
      for (let i = 0; i < w.length; i++) {
        v[i] = mu * v[i]! + gradient[i]! + decay * w[i]!
        w[i] = w[i]! - eta * v[i]!
      }
    },
  }
}

/** Nesterov's momentum: `v = mu v + g`, `w -= eta (g + mu v)` (as `torch.optim.SGD` has it). */
function nesterov(mu: number): UpdateRule {
  return {
    name: 'nesterov',
    kernel: { rule: 'nesterov', numbers: [mu] },
    init: (length, zeros = float64) => ({ velocity: zeros(length) }),
    update: (w, gradient, { velocity }, { eta, decay }) => {
      checkLength(w, gradient)
      const v = velocity!
      for (let i = 0; i < w.length; i++) {
        const g = gradient[i]! + decay * w[i]!
        v[i] = mu * v[i]! + g
        w[i] = w[i]! - eta * (g + mu * v[i]!)
      }
    },
  }
}

/** The numbers of Adam. */
interface AdamOptions {
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  /** AdamW: the share of `eta · w` that each step takes off weights; 0 for Adam. */
  readonly decay: number
}

/**
 * Adam, with corrected bias: `m` and `v` are running means of `g` and `g²`, `w -= eta m̂ / (√v̂ + epsilon)`; the penalty is
 * part of `g` (D. Kingma, J. Ba, 2015). AdamW takes `eta · decay · w` off weights first (I. Loshchilov, F. Hutter, 2019).
 */
function adam(name: string, { beta1, beta2, epsilon, decay: shrink }: AdamOptions): UpdateRule {
  return {
    name,
    kernel: { rule: 'adam', numbers: [beta1, beta2, epsilon, shrink] },
    init: (length, zeros = float64) => ({ mean: zeros(length), square: zeros(length) }),
    update: (w, gradient, { mean, square }, { eta, decay, isWeights, step }) => {
      checkLength(w, gradient)
      const [m, v] = [mean!, square!]
      const kept = isWeights ? 1 - eta * shrink : 1
      const rate = eta / (1 - beta1 ** step)
      const root = Math.sqrt(1 - beta2 ** step)
      for (let i = 0; i < w.length; i++) {
        const g = gradient[i]! + decay * w[i]!
        m[i] = beta1 * m[i]! + (1 - beta1) * g
        v[i] = beta2 * v[i]! + (1 - beta2) * g * g
        w[i] = kept * w[i]! - (rate * m[i]!) / (Math.sqrt(v[i]!) / root + epsilon)
      }
    },
  }
}

function checkLength(parameters: Numbers, gradient: Numbers): void {
  if (gradient.length !== parameters.length)
    throw new RangeError(`a gradient of ${gradient.length} numbers does not fit ${parameters.length} parameters`)
}
