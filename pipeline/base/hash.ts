/** The bits of each whole number from 0 to 255 as float32, so that bytes and floats of one value have one hash. */
const bitsOfByte = new Uint32Array(Float32Array.from({ length: 256 }, (_, i) => i).buffer)
const one = new Float32Array(1)
const bitsOfOne = new Uint32Array(one.buffer)

/**
 * Returns a hash of numbers, an integer from 0 to 2⁵³ - 1: equal float32 values have equal hashes, whether they are stored
 * as bytes or as floats; 0 and -0 are equal. Two passes of MurmurHash3 (A. Appleby, 2011) with different seeds.
 *
 * @param step only every so many-th number counts
 */
export function hashOfNumbers(
  values: Uint8Array | Float32Array,
  from: number,
  to: number,
  seed: number,
  step = 1,
): number {
  let [a, b] = seedsOf(seed)
  const isBytes = values instanceof Uint8Array
  for (let i = from; i < to; i += step) {
    let word: number
    if (isBytes) word = bitsOfByte[values[i]!]!
    else {
      one[0] = values[i]! + 0
      word = bitsOfOne[0]!
    }
    a = mixed(a, word)
    b = mixed(b, word)
  }
  return joined(a, b, to - from)
}

/** Returns a hash of a text, an integer from 0 to 2⁵³ - 1, as `hashOfNumbers`. */
export function hashOfText(text: string, seed: number): number {
  let [a, b] = seedsOf(seed)
  for (let i = 0; i < text.length; i++) {
    a = mixed(a, text.charCodeAt(i))
    b = mixed(b, text.charCodeAt(i))
  }
  return joined(a, b, text.length)
}

function seedsOf(seed: number): [number, number] {
  const low = seed | 0
  const high = Math.floor(seed / 2 ** 32) | 0
  return [mixed(low, high), mixed(low ^ 0x9747b28c, high)]
}

function mixed(hash: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  const h = hash ^ k
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
}

function ended(hash: number, length: number): number {
  let h = hash ^ length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** 53 bits of both hashes. */
function joined(a: number, b: number, length: number): number {
  return (ended(a, length) >>> 5) * 67108864 + (ended(b, length) >>> 6)
}
