import t from 'tap'
import { dropoutMasks } from '../../dist/learners/dropout.js'

const layers = [{ units: 300, dropout: 0.25 }, { units: 7 }, { units: 90, dropout: 0.9 }, { units: 3, dropout: 0 }]
const masks = dropoutMasks({ layers })!
const places = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

t.test('a layer drops its share of outputs; layers without dropout have no mask', (t) => {
  const [first, none, third, zero] = masks(124, places(0, 100))
  t.strictSame([none, zero], [undefined, undefined])
  const dropped = (mask: Uint8Array) => mask.filter((kept) => kept === 0).length / mask.length
  t.ok(Math.abs(dropped(first!) - 0.25) < 0.01)
  t.ok(Math.abs(dropped(third!) - 0.9) < 0.01)
  t.strictSame([first!.length, third!.length], [30_000, 9000])
  for (const dropout of [0.001, 0.5, 1 / 3, 0.9999]) {
    const [mask] = dropoutMasks({ layers: [{ units: 1000, dropout }] })!(5, places(0, 200))
    const share = dropped(mask!)
    t.ok(Math.abs(share - dropout) < 4 * Math.sqrt((dropout * (1 - dropout)) / 200_000), `${dropout}: ${share}`)
  }
  t.equal(dropoutMasks({ layers: [{ units: 5 }, { units: 2, dropout: 0 }] }), undefined)
  t.end()
})

t.test('the mask of a row depends on its place and the draw alone', (t) => {
  const all = masks(2 ** 52 + 1, places(0, 10))
  const parts = [masks(2 ** 52 + 1, places(0, 4)), masks(2 ** 52 + 1, places(4, 10))]
  for (const l of [0, 2]) t.strictSame([...parts[0]![l]!, ...parts[1]![l]!], [...all[l]!])
  t.strictSame(masks(2 ** 52 + 1, [7])[0], all[0]!.subarray(2100, 2400))
  // The draws differ in their low and in their high word.
  for (const other of [2 ** 52, 1, 2 ** 51 + 1]) t.not(String(masks(other, places(0, 10))[0]), String(all[0]))
  t.not(String(all[0]!.subarray(0, 300)), String(all[0]!.subarray(300, 600)))
  t.not(String(all[0]!.subarray(0, 90)), String(all[2]!.subarray(0, 90)))
  t.end()
})
