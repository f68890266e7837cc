import { createHash } from 'node:crypto'

/** One stream of random numbers. Each call draws from it and moves it on. Throws a RangeError after 2³⁴ `uint32`. */
export interface Random {
  /** An integer, uniform on `0 … 2³² - 1`. */
  uint32(): number
  /** A number, uniform on `[0, 1)`, with 53 random bits. */
  uniform(): number
  /** An integer, uniform on `0 … n - 1`, without bias. Throws a RangeError unless `n` is an integer from 1 to 2³². */
  below(n: number): number
  /** A standard normal number (Box and Muller, A Note on the Generation of Random Normal Deviates, 1958). */
  normal(): number
  /** A uniform random permutation of `0 … n - 1` (the shuffle of Fisher and Yates). */
  permutation(n: number): Uint32Array
  /** The same permutation, made in pieces of some milliseconds: it yields after each, so that others get a turn. */
  permuting(n: number): Generator<undefined, Uint32Array>
}

/** Swaps of a permutation that are made in one piece. */
const PIECE = 1 << 15

/**
 * Returns a function that opens the streams of one stage, as `randomStream` does. It hashes each purpose only once,
 * which is faster for a stage that opens a stream in every epoch.
 */
export function randomStreams(seed: number, stage: string): (purpose: string, epoch?: number) => Random {
  const addresses = new Map<string, Address>()
  return (purpose, epoch = 0) => {
    let address = addresses.get(purpose)
    if (!address) {
      address = addressOf(stage, purpose)
      addresses.set(purpose, address)
    }
    return openStream(seed, address, epoch)
  }
}

/**
 * Opens the stream of `(seed, stage, purpose, epoch)`. `seed` is a non-negative safe integer.
 *
 * Streams are counter-based (Philox4x32-10: J. Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011).
 * The seed is the key. The epoch and a hash of stage and purpose are the high words of the counter. So the draws of a
 * stream depend on these four values alone, and not on other stages, on threads or on earlier epochs. Throws a RangeError
 * unless the epoch is an integer from 0 to 2³² - 1, because two epochs would draw the same otherwise.
 */
export function randomStream(seed: number, stage: string, purpose: string, epoch = 0): Random {
  return openStream(seed, addressOf(stage, purpose), epoch)
}

/** Returns the function that opens the stream for dividing data into splits, with `splitSeed` if it is given no seed. */
export function splitStreams(splitSeed: number, stage: string): (seed?: number) => Random {
  return (seed = splitSeed) => randomStream(seed, stage, 'split')
}
/** How many values a word has. */
const WORDS = 2 ** 32

/** The two high words of the counter: 64 bits of a hash of stage and purpose. */
type Address = readonly [number, number]

function addressOf(stage: string, purpose: string): Address {
  const hash = createHash('sha256').update(`${stage}\0${purpose}`).digest()
  return [hash.readUInt32LE(0), hash.readUInt32LE(4)]
}

function openStream(seed: number, address: Address, epoch: number): Random {
  if (!(Number.isInteger(epoch) && epoch >= 0 && epoch < WORDS))
    throw new RangeError(`a random stream has an epoch or step from 0 to ${WORDS - 1}, got ${epoch}`)
  return streamFrom(Uint32Array.of(0, epoch, ...address), seed >>> 0, Math.floor(seed / WORDS) >>> 0)
}

/**
 * Draws from the numbers that `philox` makes of `counter` and the counters after it, with the key `(key0, key1)`. It ends
 * where the first word of the counter would begin again, and the numbers with it.
 */
export function streamFrom(counter: Uint32Array, key0: number, key1: number): Random {
  const words = new Uint32Array(4)
  let isSpent = false
  let used = 4
  let spare: number | undefined

  function uint32(): number {
    if (used === 4) {
      if (isSpent) throw new RangeError('a random stream has 2³⁴ numbers; open one for each epoch or step')
      philox(counter, key0, key1, words)
      counter[0]!++
      isSpent = counter[0] === 0
      used = 0
    }
    return words[used++]!
  }

  function uniform(): number {
    const high = uint32() >>> 5
    const low = uint32() >>> 6
    return (high * 67108864 + low) / 9007199254740992
  }

  function below(n: number): number {
    if (!(Number.isInteger(n) && n >= 1 && n <= WORDS))
      throw new RangeError(`below: expected an integer from 1 to ${WORDS}, got ${n}`)
    return uniformBelow(n)
  }

  function uniformBelow(n: number): number {
    const limit = 4294967296 - (4294967296 % n)
    for (;;) {
      const word = uint32()
      if (word < limit) return word % n
    }
  }

  function normal(): number {
    if (spare !== undefined) {
      const value = spare
      spare = undefined
      return value
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    const angle = 2 * Math.PI * uniform()
    spare = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }

  function* permuting(n: number): Generator<undefined, Uint32Array> {
    const order = new Uint32Array(n)
    for (let i = 0; i < n; i++) order[i] = i
    for (let i = n - 1; i > 0; i--) {
      const j = uniformBelow(i + 1)
      const held = order[i]!
      order[i] = order[j]!
      order[j] = held
      if (i % PIECE === 0) yield
    }
    return order
  }

  function permutation(n: number): Uint32Array {
    const pieces = permuting(n)
    for (;;) {
      const { done, value } = pieces.next()
      if (done) return value
    }
  }

  return { uint32, uniform, below, normal, permutation, permuting }
}

/**
 * Encrypts `counter` with the key `(key0, key1)` by ten rounds of Philox4x32. Writes the four random words to `out`.
 * All words are unsigned 32-bit integers.
 */
export function philox(counter: Uint32Array, key0: number, key1: number, out: Uint32Array): void {
  let c0 = counter[0]!
  let c1 = counter[1]!
  let c2 = counter[2]!
  let c3 = counter[3]!
  let k0 = key0
  let k1 = key1
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(0xd2511f53, c0) >>> 0
    const low1 = Math.imul(0xcd9e8d57, c2) >>> 0
    // The high words. The product is rounded to a double, and its lower word is taken off, so the quotient is within
    // 2^-20 of an integer. Adding 0.5 makes the truncation below give that integer.
    const high0 = (0xd2511f53 * c0 - low0) / 2 ** 32 + 0.5
    const high1 = (0xcd9e8d57 * c2 - low1) / 2 ** 32 + 0.5
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  out[0] = c0
  out[1] = c1
  out[2] = c2
  out[3] = c3
}
