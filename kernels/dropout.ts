import type { Numbers } from './contract.js'

/**
 * Divides the first `count` values by `1 - rate` where the mask is 1, and sets them to 0 where it is 0, in place: the
 * outputs of a layer, and the slopes by them.
 */
export function dropOut(values: Numbers, mask: Uint8Array, count: number, rate: number): void {
  const factor = 1 / (1 - rate)
  for (let i = 0; i < count; i++) values[i] = mask[i] ? values[i]! * factor : 0
}
