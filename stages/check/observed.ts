import { type Arrays, arraysOf, type Model, PipelineError } from '../../pipeline/stage-kit.js'
import type { Analytic } from './differences.js'

/** Largest rounding error of the step that is accepted, as a share of the threshold. */
const ROUNDING = 0.1

/**
 * Returns the gradient of a step of plain gradient descent, `(w_before - w_after) / eta`, and the lambda of its cost.
 *
 * For float64 parameters its rounding error is `2⁻⁵² max|w| / eta`: about 1e-14 with weights of 0.05 and eta 0.001. For
 * float32 parameters, returns a note for the user instead: the gradient cannot be computed. Throws a PipelineError
 * `DATA` if eta is so small that rounding would hide an error of the size of the threshold.
 */
export function observedStep(before: Arrays, after: Model, threshold: number): Omit<Analytic, 'gradient'> | string {
  const { eta, lambda, update } = after
  if (update !== undefined)
    return `the training step itself was not checked: its update rule is ${update}, which does not show its gradient`
  const moved = arraysOf(after)
  const all = [...Object.values(before), ...Object.values(moved)]
  if (!all.every((values) => values instanceof Float64Array))
    return (
      'the training step itself was not checked: its parameters are float32, which hides its gradient in their ' +
      'rounding; it is checked with the reference kernel, if the stage takes the precision of its parameters from it ' +
      '(context.kernels.precision)'
    )
  if (!(eta > 0)) throw new PipelineError('DATA', `expected parameters that say the eta of their step, got ${eta}`)
  let largest = 0
  for (const values of Object.values(before)) for (const w of values) largest = Math.max(largest, Math.abs(w))
  if ((2 ** -52 * largest) / eta > ROUNDING * threshold)
    throw new PipelineError(
      'DATA',
      `a step with eta ${eta} is too small against parameters of ${largest.toPrecision(2)} ` +
        `to show its gradient to ${threshold}; check with a larger eta`,
    )
  const arrays = Object.entries(before).map(([name, values]) => [
    name,
    Float64Array.from(values, (value, i) => (value - moved[name]![i]!) / eta),
  ])
  return { lambda, arrays: Object.fromEntries(arrays) }
}
