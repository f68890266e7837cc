import { accumulate, addPenalty, type UpdateRule } from '../../learners/index.js'
import {
  type ArraySpec,
  type Arrays,
  type Flow,
  type Gradient,
  type Later,
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
}

/** Makes steps on a model, and keeps the state of the update rule. */
export interface Stepper {
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
 * Makes the stepper of a model. If the model can make a whole step of plain gradient descent in one call, it does so.
 * Otherwise the rule is applied to the gradient; the result is the same to the precision of the kernel.
 *
 * @param saved the state of the stage from a checkpoint, with the state of the rule; empty unless the run is resumed
 */
export function makeStepper(
  { model, specs, rule, lambda, l1, clip }: StepParts,
  saved: Readonly<Record<string, unknown>>,
  flow: Pick<Flow, 'yieldToEventLoop'>,
): Stepper {
  const trained = trainedOf(specs)
  // Otherwise the rule adds the penalty of squares by itself.
  const isAdded = clip !== undefined || l1 > 0
  const isWhole = model.step !== undefined && rule.name === 'sgd' && !isAdded
  let isMeasured = false
  let norm: number | undefined
  const states = new Map(
    trained.map(({ name, shape }) => {
      const fresh = rule.init(widthOf(shape))
      const restored = Object.entries(fresh).map(([key, values]) => [
        key,
        restoredState(saved, `rule.${key}.${name}`, values),
      ])
      return [name, Object.fromEntries(restored) as Record<string, Float64Array>]
    }),
  )

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
    await accumulate(rows, model, flow)
    norm = normOf((await model.gradient(lambda)).arrays)
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
    if (isWhole) return model.step!(rows, { rule: 'sgd', eta, lambda })
    model.accumulate(rows)
    const gradient = model.gradient(0)
    if (gradient instanceof Promise) return applyLater(gradient, eta, number)
    const applied = apply(gradient.arrays, eta, number)
    return applied instanceof Promise ? applied.then(() => gradient.loss) : gradient.loss
  }

  function state(): Record<string, Numbers> {
    const entries = [...states].flatMap(([name, own]) =>
      Object.entries(own).map(([key, values]) => [`rule.${key}.${name}`, values]),
    )
    return Object.fromEntries(entries)
  }

  return { step, apply, measure, takeNorm, state }
}

/** The state of a rule from a checkpoint, in memory of its own; the fresh one if the run begins. */
function restoredState(saved: Readonly<Record<string, unknown>>, key: string, fresh: Float64Array): Float64Array {
  if (Object.keys(saved).length === 0) return fresh
  const values = saved[key] as Numbers | undefined
  if (values?.length !== fresh.length)
    throw new PipelineError(
      'DATA',
      `the checkpoint has ${values?.length ?? 'no'} numbers for ${key}, expected ${fresh.length}`,
    )
  return Float64Array.from(values)
}
