import { type ArraySpec, type Arrays, type Random, widthOf, z } from '../pipeline/stage-kit.js'

/** The option for the initial parameters. */
export const initial = z.union([
  z.enum(['zeros', 'normal', 'xavier', 'he']),
  z.strictObject({ normal: z.number().positive().describe('Standard deviation.') }),
  z.strictObject({
    from: z
      .string()
      .min(1)
      .describe('A run directory, a parameters.arrow, or a .safetensors or .npz file with the arrays.'),
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
 * `[outputs, inputs]`, `xavier` is N(0, 1 / inputs) and `he` is N(0, 2 / inputs) (K. He et al., 2015); biases are zero then.
 * For a single layer, which has a `bias`, `xavier` is uniform on ±√(6 / (inputs + outputs)), as it was before there were
 * others (X. Glorot, Y. Bengio, 2010, has both). Offsets and averages are always zero, scales are one.
 */
export function initialArrays(init: Drawn, specs: readonly ArraySpec[], random: Random): Arrays<Float64Array> {
  const isSingle = specs.some(({ kind }) => kind === 'bias')
  return Object.fromEntries(specs.map((spec) => [spec.name, initialValues(init, spec, isSingle, random)]))
}

function initialValues(init: Drawn, { shape, kind }: ArraySpec, isSingle: boolean, random: Random): Float64Array {
  const size = widthOf(shape)
  const values = new Float64Array(size)
  if (kind === 'scale') return values.fill(1)
  if (kind === 'offset' || kind === 'average' || init === 'zeros') return values
  if (init === 'xavier' || init === 'he') {
    if (kind === 'bias') return values
    const outputs = shape[0]!
    const inputs = size / outputs
    if (init === 'xavier' && isSingle) {
      const limit = Math.sqrt(6 / (inputs + outputs))
      return values.map(() => (2 * random.uniform() - 1) * limit)
    }
    const sigma = Math.sqrt((init === 'he' ? 2 : 1) / inputs)
    return values.map(() => sigma * random.normal())
  }
  const sigma = init === 'normal' ? 0.01 : init.normal
  return values.map(() => sigma * random.normal())
}
