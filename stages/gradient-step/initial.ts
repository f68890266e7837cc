import { z } from 'zod'
import type { Parameters } from '../../kernels/index.js'
import type { Random } from '../../pipeline/stage-kit.js'

/** How the parameters begin. */
export const initial = z.union([
  z.enum(['zeros', 'normal', 'xavier']),
  z.strictObject({ normal: z.number().positive().describe('Standard deviation.') }),
])

/**
 * Draws the first `W` and `b` (both from the same law, `W` first).
 *
 * `normal` is N(0, 0.01²) unless it says another deviation; `xavier` is uniform on ±√(6 / (features + classes)) with
 * `b` zero (X. Glorot, Y. Bengio, 2010).
 */
export function initialParameters(
  init: z.output<typeof initial>,
  features: number,
  classes: number,
  random: Random,
): Parameters<Float64Array> {
  const W = new Float64Array(classes * features)
  const b = new Float64Array(classes)
  if (init === 'zeros') return { W, b }
  if (init === 'xavier') {
    const limit = Math.sqrt(6 / (features + classes))
    return { W: W.map(() => (2 * random.uniform() - 1) * limit), b }
  }
  const sigma = init === 'normal' ? 0.01 : init.normal
  return { W: W.map(() => sigma * random.normal()), b: b.map(() => sigma * random.normal()) }
}
