import { type Random, randomStream } from '../pipeline/base/random.js'
import type { Distribution } from '../pipeline/definition/sweep.js'
import { entriesOf, isList, plain, type Value } from '../pipeline/definition/value.js'

/** Digits of drawn numbers: enough to tell them apart, few enough to be typed. */
const DIGITS = 6

/** The first `n` draws from the distribution that `written` says, for the setting `name`; they keep its place. */
export function drawn(written: Value, seed: number, name: string, n: number): Value[] {
  const random = randomStream(seed, 'sweep', name)
  const draw = drawer(plain(written) as Distribution, written, random)
  return Array.from({ length: n }, draw)
}

function drawer({ uniform, logUniform, integer }: Distribution, written: Value, random: Random): () => Value {
  const { origin } = written
  if (uniform) {
    const [low, high] = uniform as [number, number]
    return () => ({ data: rounded(low + (high - low) * random.uniform(), low, high), origin })
  }
  if (logUniform) {
    const [low, high] = logUniform as [number, number]
    const [from, to] = [Math.log(low), Math.log(high)]
    return () => ({ data: rounded(Math.exp(from + (to - from) * random.uniform()), low, high), origin })
  }
  if (integer) {
    const [low, high] = integer as [number, number]
    return () => ({ data: low + random.below(high - low + 1), origin })
  }
  const choice = entriesOf(written).get('choice')!.value
  const values = isList(choice) ? choice.data : []
  return () => values[random.below(values.length)]!
}

function rounded(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS))))
}
