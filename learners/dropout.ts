import { type Masks, type NetworkShape, type Random, streamFrom } from '../pipeline/stage-kit.js'

const WORDS = 2 ** 32

/**
 * Returns the function that draws the masks of dropout of a network, or undefined if no layer has any. An output of a
 * layer stays if a random number on `[0, 1)` is at least its `dropout`.
 *
 * The numbers of row `r` in layer `l` are a stream of its own: Philox with the step's `draw` as the key and `(0, r, l, 0)`
 * as the counter. So a mask depends on nothing but the step and the place of the row in its batch.
 */
export function dropoutMasks({ layers }: Pick<NetworkShape, 'layers'>): Masks | undefined {
  if (layers.every(({ dropout }) => !dropout)) return undefined
  return (draw, places) => {
    const rows = [...places]
    const [key0, key1] = [draw % WORDS, Math.floor(draw / WORDS)]
    return layers.map(({ units, dropout }, l) => {
      if (!dropout) return undefined
      const mask = new Uint8Array(rows.length * units)
      for (const [i, row] of rows.entries())
        drawRow(
          mask.subarray(i * units, (i + 1) * units),
          dropout,
          streamFrom(Uint32Array.of(0, row, l, 0), key0, key1),
        )
      return mask
    })
  }
}

/** Draws 40 bits for each output, but looks at the last 32 only if the first eight leave it open, to draw less. */
function drawRow(mask: Uint8Array, dropout: number, random: Random): void {
  const most = Math.floor(256 * dropout)
  const rest = (256 * dropout - most) * WORDS
  let word = 0
  for (let k = 0; k < mask.length; k++) {
    if (k % 4 === 0) word = random.uint32()
    const byte = word & 255
    word >>>= 8
    if (byte > most || (byte === most && random.uint32() >= rest)) mask[k] = 1
  }
}
