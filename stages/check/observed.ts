import type { Parameters } from '../../kernels/index.js'
import { type Model, PipelineError, softmaxParameters } from '../../pipeline/stage-kit.js'

/** Share of the threshold that the rounding of the step may take up. */
const ROUNDING = 0.1

/**
 * The gradient that a step of plain gradient descent took, `(w_before - w_after) / eta`, and the lambda of its cost.
 *
 * Float64 parameters give it to `2⁻⁵² max|w| / eta`: about 1e-14 with weights of 0.05 and eta 0.001. With float32
 * ones, text says why there is none. Throws where eta is so small that rounding would hide an error of the threshold.
 */
export function observedStep(
  before: Parameters,
  after: Model,
  threshold: number,
): (Parameters<Float64Array> & { readonly lambda: number }) | string {
  const { eta, lambda } = after
  const { W, b } = softmaxParameters(after)
  if (!(before.W instanceof Float64Array) || !(W instanceof Float64Array))
    return 'the training step itself was not checked: its parameters are float32; the reference kernel has float64 ones'
  if (!(eta > 0)) throw new PipelineError('DATA', `expected parameters that say the eta of their step, got ${eta}`)
  const largest = [...before.W, ...before.b].reduce((most, w) => Math.max(most, Math.abs(w)), 0)
  if ((2 ** -52 * largest) / eta > ROUNDING * threshold)
    throw new PipelineError(
      'DATA',
      `a step with eta ${eta} is too small against parameters of ${largest.toPrecision(2)} to show its gradient to ${threshold}; check with a larger eta`,
    )
  const slope = (w: Parameters['W'], moved: Parameters['W']): Float64Array =>
    Float64Array.from(w, (value, i) => (value - moved[i]!) / eta)
  return { W: slope(before.W, W), b: slope(before.b, b), lambda }
}
