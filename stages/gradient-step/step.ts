import { accumulate, addPenalty, type UpdateRule } from '../../learners/index.js'
import {
  type ArraySpec,
  type Arrays,
  type Flow,
  type Gradient,
  type Kernels,
  type Later,
  type NetworkStep,
  type Numbers,
  type OpenModel,
  PipelineError,
  type Rows,
  trainedOf,
  widthOf,
} from '../../pipeline/stage-kit.js'

/** The parts that all steps of a run share. */
export interface StepParts {
  /** The model in training. */
  readonly model: OpenModel
  /** Its arrays. */
  readonly specs: readonly ArraySpec[]
  /** The update rule. */
  readonly rule: UpdateRule
  /** Weight of the penalty. */
  readonly lambda: number
  /** Weight of the penalty of magnitudes. */
  readonly l1: number
  /** The largest norm of the gradient, if there is a limit. */
  readonly clip?: number | undefined
  /** The kernels of the model: the state of the rule lies in their memory, in their precision. */
  readonly kernels: Pick<Kernels, 'allocate' | 'precision'>
}

/** Makes steps on a model, and keeps the state of the update rule. */
export interface Stepper {
  /** Whether the kernel makes whole steps, one call each. */
  readonly isWhole: boolean
  /** Makes one step on the accumulated rows and these rows, and returns their mean loss before the step. */
  step(rows: Rows, eta: number, step: number): Later<number>
  /** Makes a step with a given gradient of the mean loss (without the penalty). */
  apply(gradient: Arrays, eta: number, step: number): Later<void>
  /**
   * Measures the gradient of the next step, which is on all of these rows. If the kernel makes the whole step in one call,
   * the gradient is computed beforehand, so that the step itself is the same as without it.
   *
   * @param rows undefined if `apply` makes the step
   */
  measure(rows: Rows | undefined): Promise<void>
  /** The norm of the gradient of the last step, penalty included, if it was measured; once. */
  takeNorm(): number | undefined
  /** Returns the state of the rule, by `rule.<name>.<array>`; empty if the rule keeps none. */
  state(): Readonly<Record<string, Numbers>>
}

/**
 * Makes the stepper of a model. If the model can make a whole step of the rule in one call, it does so. Otherwise the rule
 * is applied to the gradient; the result is the same to the precision of the kernel.
 *
 * @param saved the state of the stage from a checkpoint, with the state of the rule; empty unless the run is resumed
 */
export function makeStepper(
  { model, specs, rule, lambda, l1, clip, kernels }: StepParts,
  saved: Readonly<Record<string, unknown>>,
  flow: Pick<Flow, 'yieldToEventLoop'>,
): Stepper {
  const trained = trainedOf(specs)
  // `apply` adds the penalties before the rule; otherwise the rule adds that of squares itself.
  const isAdded = clip !== undefined || l1 > 0
  let isMeasured = false
  let norm: number | undefined
  const states = new Map(
    trained.map(({ name, shape }) => {
      const own = rule.init(widthOf(shape), zeros)
      for (const [key, values] of Object.entries(own)) restore(saved, `rule.${key}.${name}`, values)
      return [name, own]
    }),
  )
  const { rule: kernelRule, numbers } = rule.kernel
  const state = Object.fromEntries([...states].map(([name, own]) => [name, Object.values(own)]))
  const isWhole =
    model.step !== undefined && (model.rules ?? ['sgd']).includes(kernelRule) && (!isAdded || model.clips === true)

  function zeros(length: number): Numbers {
    const isDouble = kernels.precision === 'float64'
    const { buffer, byteOffset } = kernels.allocate(length * (isDouble ? 8 : 4))
    return isDouble ? new Float64Array(buffer, byteOffset, length) : new Float32Array(buffer, byteOffset, length)
  }

  function apply(gradient: Arrays, eta: number, step: number): Later<void> {
    return model.change((parameters) => {
      if (isAdded) addPenalty(gradient, parameters, trained, { lambda, l1 })
      if (isMeasured) norm = normOf(gradient, isAdded ? undefined : parameters)
      isMeasured = false
      if (clip !== undefined) scaleDown(gradient, clip)
      for (const { name, kind } of trained) {
        const isWeights = kind === 'weights'
        const decay = isWeights && !isAdded ? 2 * lambda : 0
        rule.update(parameters[name]!, gradient[name]!, states.get(name)!, { eta, decay, isWeights, step })
      }
    })
  }

  /** The norm of all trained arrays together. `parameters`: if the penalty of squares is still to be added. */
  function normOf(gradient: Arrays, parameters?: Arrays): number {
    let squares = 0
    for (const { name, kind } of trained) {
      const [g, w] = [gradient[name]!, parameters?.[name]]
      const decay = w && kind === 'weights' ? 2 * lambda : 0
      for (let i = 0; i < g.length; i++) {
        const slope = decay === 0 ? g[i]! : g[i]! + decay * w![i]!
        squares += slope * slope
      }
    }
    return Math.sqrt(squares)
  }

  async function measure(rows: Rows | undefined): Promise<void> {
    if (!rows || !isWhole) {
      isMeasured = true
      return
    }
    const averages = await copiesOfAverages()
    await accumulate(rows, model, flow)
    const { arrays } = await model.gradient(lambda)
    if (l1 > 0) addPenalty(arrays, await model.read(), trained, { lambda: 0, l1 })
    norm = normOf(arrays)
    if (averages.length > 0)
      await model.change((arrays) => {
        for (const [name, values] of averages) arrays[name]!.set(values)
      })
  }

  /** Copies of the arrays that change with every pass over rows, as the running averages of batch normalisation. */
  async function copiesOfAverages(): Promise<[name: string, values: Numbers][]> {
    const arrays = await model.read()
    return specs.flatMap(({ name, kind }) => (kind === 'average' ? [[name, arrays[name]!.slice()]] : []))
  }

  function takeNorm(): number | undefined {
    const taken = norm
    norm = undefined
    return taken
  }

  /** Scales the gradient of all trained arrays by `min(1, limit / (norm + 1e-6))`. */
  function scaleDown(gradient: Arrays, limit: number): void {
    const factor = limit / (normOf(gradient) + 1e-6)
    if (factor < 1)
      for (const { name } of trained) for (let i = 0; i < gradient[name]!.length; i++) gradient[name]![i]! *= factor
  }

  async function applyLater(gradient: Later<Gradient>, eta: number, step: number): Promise<number> {
    const { arrays, loss } = await gradient
    await apply(arrays, eta, step)
    return loss
  }

  function step(rows: Rows, eta: number, number: number): Later<number> {
    if (isWhole) return model.step!(rows, kernelStep(eta, number))
    model.accumulate(rows)
    const gradient = model.gradient(0)
    if (gradient instanceof Promise) return applyLater(gradient, eta, number)
    const applied = apply(gradient.arrays, eta, number)
    return applied instanceof Promise ? applied.then(() => gradient.loss) : gradient.loss
  }

  function kernelStep(eta: number, step: number): NetworkStep {
    const common = { eta, lambda, l1, clip }
    if (kernelRule === 'sgd') return { rule: kernelRule, ...common }
    return { rule: kernelRule, ...common, numbers, step, state, change: (...array) => change(eta, step, ...array) }
  }

  /** Changes an array other than weights. */
  function change(eta: number, step: number, name: string, parameters: Numbers, gradient: Numbers): void {
    rule.update(parameters, gradient, states.get(name)!, { eta, decay: 0, isWeights: false, step })
  }

  function stored(): Record<string, Numbers> {
    const entries = [...states].flatMap(([name, own]) =>
      Object.entries(own).map(([key, values]) => [`rule.${key}.${name}`, values]),
    )
    return Object.fromEntries(entries)
  }

  return { isWhole, step, apply, measure, takeNorm, state: stored }
}

/** Writes the state of a rule from a checkpoint to `fresh`, unless the run begins. */
function restore(saved: Readonly<Record<string, unknown>>, key: string, fresh: Numbers): void {
  if (Object.keys(saved).length === 0) return
  const values = saved[key] as Numbers | undefined
  if (values?.length !== fresh.length)
    throw new PipelineError(
      'DATA',
      `the checkpoint has ${values?.length ?? 'no'} numbers for ${key}, expected ${fresh.length}`,
    )
  fresh.set(values)
}
