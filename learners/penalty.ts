import { type ArraySpec, type Arrays, trainedOf } from '../pipeline/stage-kit.js'

/** The weights of the penalties in the cost `mean loss + lambda · Σ W² + l1 · Σ |W|`. */
export interface Penalties {
  /** Weight of the squares. */
  readonly lambda: number
  /** Weight of the magnitudes. */
  readonly l1: number
}

/** Returns `Σ |W|` over the weights of all layers, in float64. */
export function sumOfMagnitudes(arrays: Arrays, specs: readonly ArraySpec[]): number {
  let sum = 0
  for (const { name, kind } of specs) if (kind === 'weights') for (const w of arrays[name]!) sum += Math.abs(w)
  return sum
}

/**
 * Adds the derivative of the penalties by the trained weights to a gradient, in place: `2 lambda w + l1 sign(w)`. At 0,
 * where `|w|` has a kink, the sign is 0.
 */
export function addPenalty(
  gradient: Arrays,
  parameters: Arrays,
  specs: readonly ArraySpec[],
  { lambda, l1 }: Penalties,
): void {
  for (const { name, kind } of trainedOf(specs)) {
    if (kind !== 'weights') continue
    const [w, g] = [parameters[name]!, gradient[name]!]
    for (let i = 0; i < g.length; i++) g[i] = g[i]! + 2 * lambda * w[i]! + l1 * Math.sign(w[i]!)
  }
}
