import { type Random, randomStream } from '../pipeline/base/random.js'
import type { Distribution } from '../pipeline/definition/sweep.js'
import { entriesOf, isList, plain, type Value } from '../pipeline/definition/value.js'

/** Significant digits of random numbers: enough to tell them apart, few enough to be typed. */
const DIGITS = 6

/**
 * Draws the first `n` values of a setting from a distribution. The values keep the source position of the distribution.
 *
 * @param name of the setting: each name has a random stream of its own
 */
export function drawValues(distribution: Value, seed: number, name: string, n: number): Value[] {
  const random = randomStream(seed, 'sweep', name)
  const draw = drawer(plain(distribution) as Distribution, distribution, random)
  return Array.from({ length: n }, draw)
}

/** Returns a function that draws one value. */
function drawer({ uniform, logUniform, integer }: Distribution, source: Value, random: Random): () => Value {
  const { origin } = source
  if (uniform) {
    const [low, high] = uniform as [number, number]
    return () => ({ data: roundWithin(low + (high - low) * random.uniform(), low, high), origin })
  }
  if (logUniform) {
    const [low, high] = logUniform as [number, number]
    const [from, to] = [Math.log(low), Math.log(high)]
    return () => ({ data: roundWithin(Math.exp(from + (to - from) * random.uniform()), low, high), origin })
  }
  if (integer) {
    const [low, high] = integer as [number, number]
    return () => ({ data: low + random.below(high - low + 1), origin })
  }
  const choice = entriesOf(source).get('choice')!.value
  const values = isList(choice) ? choice.data : []
  return () => values[random.below(values.length)]!
}

function roundWithin(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS))))
}
