import type { z } from 'zod'
import type {
  Arrays,
  Gradient,
  Kernels,
  Later,
  NetworkShape,
  NetworkStep,
  Numbers,
  Rows,
} from '../../kernels/contract.js'
import type { ArraySpec } from '../../kernels/network-shape.js'
import { PipelineError } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { listed } from '../base/words.js'

export type { ArraySpec } from '../../kernels/network-shape.js'

/** The size of the data, which a learner needs to make its arrays. */
export interface LearnerData {
  /** Width of a row. */
  readonly features: number
  /** Number of classes. */
  readonly classes: number
  /** Whether rows of steps carry weights (`Rows.weights`). Default: false. */
  readonly weighted?: boolean | undefined
}

/** A metric that a learner computes for each split; its column is called `<split>_<name>`. */
export interface LearnerMetric {
  /** Second part of the column's name: `loss`, `accuracy` … */
  readonly name: string
  /** The title for reports and figures: `cross-entropy`. */
  readonly title: string
  /** `share` for values from 0 to 1 that are shown as per cent, else any text. */
  readonly unit?: string
  /** Which direction is better; left out if neither is. */
  readonly better?: 'higher' | 'lower'
  /**
   * The value, from the sums of `OpenModel.evaluate` over all rows, their number, and the penalty
   * (`lambda · OpenModel.penalty()`).
   */
  value(sums: readonly number[], rows: number, penalty: number): number
}

/** A model that a learner has opened: its parameters, and the functions that compute with them. */
export interface OpenModel {
  /** The most rows that one call of `step`, `accumulate`, `evaluate` or `scores` should get. */
  readonly rowsPerCall: number
  /** Whether the rows of a step must come in one call, because its batch is more than the sum of its rows. */
  readonly needsWholeBatch?: boolean
  /**
   * The live parameters, by name: the same arrays each time, which change with every step (on a device with every `read`).
   * Write through `load` or `change` only.
   */
  read(): Later<Arrays>
  /** Copies parameters in, from either precision. Throws a RangeError if their lengths do not fit. */
  load(parameters: Arrays): void
  /** Lets `write` change the parameters in place. */
  change(write: (parameters: Arrays) => void): Later<void>
  /**
   * How many steps may be called before the loss of the first is known, if a device makes them: `step` then returns promises,
   * and `read` a copy of the parameters, in the same arrays each time. See `Kernels.stepsAhead`.
   */
  readonly stepsAhead?: number | undefined
  /** A whole step of an update rule, if the kernel can make it in one call; see `Network.step`. */
  step?(rows: Rows, update: NetworkStep): Later<number>
  /** The update rules that `step` performs. Default: `sgd`. */
  readonly rules?: readonly NetworkStep['rule'][]
  /** Whether `step` takes `l1` and `clip`. Default: false. */
  readonly clips?: boolean | undefined
  /** Adds the loss and gradient of these rows to the sums of the step in progress. */
  accumulate(rows: Rows): void
  /**
   * The gradient of the mean loss over the accumulated rows plus `lambda` times the penalty, by all arrays but averages,
   * and the mean loss; clears the sums. Throws a RangeError if no row was accumulated.
   *
   * @param into the arrays to write to; default: new memory
   */
  gradient(lambda: number, into?: Arrays): Later<Gradient>
  /** Sums over the rows, as `Learner.metrics` take them. The first is the sum of the losses. */
  evaluate(rows: Rows): Later<readonly number[]>
  /**
   * The sums of `evaluate` from scores that are known, `[rows, classes]`, so that rows need not be scored twice. A kernel may add
   * in another order, so the last digits may differ.
   */
  evaluateScores?(scores: Numbers, labels: Int32Array): readonly number[]
  /** The penalty that lambda weighs in the cost: the sum of squares of all weights (arrays of the kind `weights`). */
  penalty(): Later<number>
  /** Writes a score per row and class to the front of `out`, `[rows, classes]`; the largest score of a row wins. */
  scores(rows: Rows, out: Numbers): Later<void>
  /** Gives memory back; the model must not be used afterwards. */
  free(): void
}

/** Loss and penalty near some parameters, one number moved at a time. */
export interface CostAround {
  /** Mean loss of the rows at the parameters themselves. */
  readonly loss: number
  /** The penalty there, not yet multiplied by lambda. */
  readonly penalty: number
  /**
   * For a loss with kinks: a number that tells on which sides of them the rows are. Differences of two costs with other
   * numbers are no derivatives.
   */
  readonly kinks?: number
  /** Returns loss and penalty with element `index` of `array` set to `value`; all other elements are unchanged. */
  moved(
    array: string,
    index: number,
    value: number,
  ): { readonly loss: number; readonly penalty: number; readonly kinks?: number }
}

/**
 * A learner defines how scores, loss and gradients are computed from parameters. Parameters on a wire or in a file name
 * their learner. A stage that scores them uses this learner; no stage guesses from the names of arrays.
 */
export interface Learner<O extends z.ZodObject = z.ZodObject> {
  /** Its name on `parameters` wires and in files: `softmax`. */
  readonly name: string
  /** One sentence, third person. */
  readonly summary: string
  /** Options that belong to the model, such as its layers or margin; they are options of its training stage too. */
  readonly options: O
  /** The metrics of each split, in the order of the columns. */
  readonly metrics: readonly LearnerMetric[]
  /** Whether scores are logits, so that their softmax is the probability of each class. */
  readonly scores: 'logits' | 'other'
  /** The arrays of a model for data of this size. */
  arrays(data: LearnerData, options: z.output<O>): readonly ArraySpec[]
  /** Opens a model. Its parameters are zero until `load`. Its precision is that of the kernels. */
  open(kernels: Kernels, data: LearnerData, options: z.output<O>): OpenModel
  /**
   * The network that computes the scores, if dense layers do: for exports, and to score a few rows without a kernel. Its
   * arrays have the names of `arraysOfNetwork`.
   */
  network?(data: LearnerData, options: z.output<O>): NetworkShape
  /** What the options change of the metrics and the scores: with another loss, scores may be no logits. */
  variant?(options: z.output<O>): Partial<Pick<Learner, 'metrics' | 'scores'>>
  /**
   * Whether steps multiply the loss of each row by `Rows.weights`; its `costAround` must do so as well. A learner that does
   * not cannot have class weights.
   */
  readonly weighsRows?: boolean
  /**
   * For steps that drop outputs at random: returns a function that makes `Rows.masks`, or undefined if these options drop
   * nothing. The masks must depend on nothing but `draw`, a random number of each step up to 2⁵³, and on `places`, the
   * numbers of the rows in their batch: the rows of one batch may come in parts.
   */
  masks?(data: LearnerData, options: z.output<O>): Masks | undefined
  /** The name of an array `[rows, features]` of weights by which each row looks at the data, if there is one. It can be drawn. */
  readonly templates?: string
  /** What the rows of that array are: the classes, or units of the first layer. Default: classes. */
  readonly templateRows?: 'classes' | 'units'
  /**
   * A fast way to evaluate the cost when one parameter is moved, for the gradient check. Default: the whole loss is
   * computed again each time.
   *
   * @param model opened with the reference kernels and loaded with `parameters`
   * @param pause must be awaited between two calls of the model
   */
  costAround?(
    model: OpenModel,
    rows: Rows,
    parameters: Arrays,
    pause: () => Promise<void> | undefined,
    data: LearnerData,
    options: z.output<O>,
  ): Promise<CostAround>
}

/** Makes the masks of rows in a step; see `Learner.masks`. */
export type Masks = (draw: number, places: Iterable<number>) => NonNullable<Rows['masks']>

/** A learner of any kind, as the engine handles it. */
// biome-ignore lint/suspicious/noExplicitAny: the options are checked by their schema before they are used
export type AnyLearner = Omit<Learner<any>, 'arrays' | 'open' | 'costAround' | 'masks' | 'variant' | 'network'> & {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  arrays(data: LearnerData, options: any): readonly ArraySpec[]
  // biome-ignore lint/suspicious/noExplicitAny: see above
  open(kernels: Kernels, data: LearnerData, options: any): OpenModel
  // biome-ignore lint/suspicious/noExplicitAny: see above
  costAround?: Learner<any>['costAround']
  // biome-ignore lint/suspicious/noExplicitAny: see above
  masks?: Learner<any>['masks']
  // biome-ignore lint/suspicious/noExplicitAny: see above
  variant?: Learner<any>['variant']
  // biome-ignore lint/suspicious/noExplicitAny: see above
  network?: Learner<any>['network']
}

/**
 * Returns its argument; it lets TypeScript infer the options and the names of the metrics. Throws a TypeError if a part is
 * missing or has a value that is not allowed.
 */
export function defineLearner<O extends z.ZodObject, const M extends readonly LearnerMetric[]>(
  learner: Learner<O> & { readonly metrics: M },
): Learner<O> & { readonly metrics: M } {
  const { name, scores, metrics } = learner
  const fail = (what: string): TypeError => new TypeError(`defineLearner: ${name}: ${what}`)
  if (typeof name !== 'string' || name === '') throw fail('name: expected a text')
  if (scores !== 'logits' && scores !== 'other') throw fail(`scores: expected "logits" or "other", got ${scores}`)
  for (const part of ['arrays', 'open'] as const)
    if (typeof learner[part] !== 'function') throw fail(`${part}: expected a function`)
  for (const metric of metrics) {
    if (typeof metric.value !== 'function') throw fail(`the metric "${metric.name}" has no function \`value\``)
    if (metric.better !== undefined && metric.better !== 'higher' && metric.better !== 'lower')
      throw fail(`the metric "${metric.name}": better: expected "higher" or "lower", got ${metric.better}`)
  }
  return learner
}

const modelParts = [
  'read',
  'load',
  'change',
  'accumulate',
  'gradient',
  'evaluate',
  'penalty',
  'scores',
  'free',
] as const

/** Opens a model of a learner. Throws a PipelineError `STAGE` that names the learner if the model lacks a part. */
export function openModel(
  learner: AnyLearner,
  kernels: Kernels,
  data: LearnerData,
  options: Readonly<Record<string, unknown>>,
): OpenModel {
  const model = learner.open(kernels, data, options)
  const missing = modelParts.filter((part) => typeof model[part] !== 'function')
  if (missing.length > 0)
    throw new PipelineError('STAGE', `the learner "${learner.name}" opens a model without ${listed(missing, 'and')}`)
  return model
}

/** Those of the options of a stage that are the learner's own. */
export function ownOptionsOf(
  { options }: Pick<AnyLearner, 'options'>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  return Object.fromEntries(Object.keys(options.shape).map((key) => [key, given[key]]))
}

/** Returns a learner with the metrics and scores that it has with these options. */
export function learnerWith(learner: AnyLearner, options: Readonly<Record<string, unknown>>): AnyLearner {
  const variant = learner.variant?.(options)
  return variant ? { ...learner, ...variant } : learner
}

/**
 * Returns the learner of a name, as it is with these options. Throws a PipelineError `DATA` if none of the known learners
 * has the name.
 */
export function learnerNamed(
  name: string,
  options: Readonly<Record<string, unknown>>,
  known: readonly AnyLearner[],
): AnyLearner {
  const found = known.find((learner) => learner.name === name)
  if (found) return learnerWith(found, options)
  const names = known.map((learner) => learner.name)
  throw new PipelineError(
    'DATA',
    `the parameters come from the learner "${name}", which no stage of this pipeline declares` +
      suggestion(name, names, 'learners'),
  )
}
