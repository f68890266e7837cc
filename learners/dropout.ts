import { type Masks, type NetworkShape, streamFrom } from '../pipeline/stage-kit.js'

const WORDS = 2 ** 32

/**
 * Returns the function that draws the masks of dropout of a network, or undefined if no layer has any. An output of a
 * layer stays if its random word is at least `dropout · 2³²`.
 *
 * The words of row `r` in layer `l` are a stream of its own: Philox with the step's `draw` as the key and `(0, r, l, 0)` as
 * the counter. So a mask depends on nothing but the step and the place of the row in its batch.
 */
export function dropoutMasks({ layers }: Pick<NetworkShape, 'layers'>): Masks | undefined {
  if (layers.every(({ dropout }) => !dropout)) return undefined
  return (draw, places) => {
    const rows = [...places]
    const [key0, key1] = [draw % WORDS, Math.floor(draw / WORDS)]
    return layers.map(({ units, dropout }, l) => {
      if (!dropout) return undefined
      const mask = new Uint8Array(rows.length * units)
      let at = 0
      for (const row of rows) {
        const stream = streamFrom(Uint32Array.of(0, row, l, 0), key0, key1)
        for (let k = 0; k < units; k++) mask[at++] = Number(stream.uint32() >= dropout * WORDS)
      }
      return mask
    })
  }
}
