import type { Parameters } from './contract.js'

/**
 * One step of descent, in place, on a gradient that was added up outside: `W -= eta * (dW + 2 * lambda * W)`,
 * `b -= eta * db`, in float64 and rounded once. The same code for every kernel, so that every process of a divided run
 * makes the same step.
 */
export function descendOn({ W, b }: Parameters, slope: Parameters, eta: number, lambda: number): void {
  const { W: dW, b: db } = slope
  for (let i = 0; i < W.length; i++) W[i] = W[i]! - eta * (dW[i]! + 2 * lambda * W[i]!)
  for (let k = 0; k < b.length; k++) b[k] = b[k]! - eta * db[k]!
}
