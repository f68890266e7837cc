import { type ArraySpec, type Arrays, type Random, widthOf, z } from '../pipeline/stage-kit.js'

/** The option for the initial parameters. */
export const initial = z.union([
  z.enum(['zeros', 'normal', 'xavier', 'he']),
  z.strictObject({ normal: z.number().positive().describe('Standard deviation.') }),
  z.strictObject({
    from: z.string().min(1).describe('A run directory, a parameters.arrow or a .safetensors file with the arrays.'),
  }),
])

/** A distribution that first parameters are drawn from. */
export type Drawn = Exclude<z.output<typeof initial>, { readonly from: string }>

/** How the initial parameters are made. */
export type Initial = z.output<typeof initial>

/**
 * Draws the initial parameters in float64, array by array in the order of `specs`.
 *
 * `normal` is N(0, 0.01²), or has the standard deviation that is given, for weights and biases. For weights
 * `[outputs, inputs]`, `xavier` is N(0, 1 / inputs) (X. Glorot, Y. Bengio, 2010) and `he` is N(0, 2 / inputs) (K. He et al.,
 * 2015); biases are zero then. Offsets and averages are always zero, scales are one.
 */
export function initialArrays(init: Drawn, specs: readonly ArraySpec[], random: Random): Arrays<Float64Array> {
  return Object.fromEntries(specs.map((spec) => [spec.name, initialValues(init, spec, random)]))
}

function initialValues(init: Drawn, { shape, kind }: ArraySpec, random: Random): Float64Array {
  const size = widthOf(shape)
  const values = new Float64Array(size)
  if (kind === 'scale') return values.fill(1)
  if (kind === 'offset' || kind === 'average' || init === 'zeros') return values
  if (init === 'xavier' || init === 'he') {
    if (kind === 'bias') return values
    const inputs = size / shape[0]!
    const sigma = Math.sqrt((init === 'he' ? 2 : 1) / inputs)
    return values.map(() => sigma * random.normal())
  }
  const sigma = init === 'normal' ? 0.01 : init.normal
  return values.map(() => sigma * random.normal())
}
