import { type ArraySpec, type Arrays, type Random, widthOf, z } from '../pipeline/stage-kit.js'

/** The option for the initial parameters. */
export const initial = z.union([
  z.enum(['zeros', 'normal', 'xavier']),
  z.strictObject({ normal: z.number().positive().describe('Standard deviation.') }),
])

/** How the initial parameters are made. */
export type Initial = z.output<typeof initial>

/**
 * Draws the initial parameters in float64, array by array in the order of `specs`.
 *
 * `normal` is N(0, 0.01²), or has the standard deviation that is given, for weights and biases. `xavier` is uniform on
 * ±√(6 / (inputs + outputs)) for weights `[outputs, inputs]`; biases are zero (X. Glorot, Y. Bengio, 2010).
 */
export function initialArrays(init: Initial, specs: readonly ArraySpec[], random: Random): Arrays<Float64Array> {
  return Object.fromEntries(specs.map((spec) => [spec.name, initialValues(init, spec, random)]))
}

function initialValues(init: Initial, { shape, kind }: ArraySpec, random: Random): Float64Array {
  const size = widthOf(shape)
  const values = new Float64Array(size)
  if (init === 'zeros' || (init === 'xavier' && kind === 'bias')) return values
  if (init === 'xavier') {
    const outputs = shape[0]!
    const limit = Math.sqrt(6 / (size / outputs + outputs))
    return values.map(() => (2 * random.uniform() - 1) * limit)
  }
  const sigma = init === 'normal' ? 0.01 : init.normal
  return values.map(() => sigma * random.normal())
}
