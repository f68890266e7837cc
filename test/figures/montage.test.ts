import t from 'tap'
import { inRows, montageFigure, type Tile } from '../../dist/figures/montage.js'

const tile = (value: number, caption?: string[]): Tile => ({
  image: { width: 8, height: 4, channels: 1, data: new Uint8Array(32).fill(value) },
  ...(caption && { caption }),
})

t.test('tiles are enlarged by whole numbers and stand in rows with headings, labels and captions', async (t) => {
  const svg = await montageFigure(
    [
      ...inRows([tile(0, ['a', 'is b']), tile(1, ['c'])], 2, 'Wrong'),
      { label: 'epoch 10', tiles: [tile(2, ['a name that is much longer than its image is wide'])] },
    ],
    { title: 'T', subtitle: 'S', columns: ['left', 'right'] },
  )
  t.equal(svg.match(/<image [^>]*width="96" height="48"/g)?.length, 3)
  for (const words of ['T', 'S', 'Wrong', 'epoch 10', 'a', 'is b', 'c', 'left', 'right'])
    t.match(svg, `>${words}</text>`)
  t.match(svg, /longer than its image is wide<\/title>/)
  t.match(svg, /a name that is.*…<\/text>/)
})

t.test('nothing to show is an empty drawing', async (t) => {
  t.match(await montageFigure([]), /^<svg [^N]*<\/svg>\n$/)
})

t.test('inRows cuts and keeps the order', (t) => {
  const tiles = [0, 1, 2, 3, 4].map((value) => tile(value))
  const rows = inRows(tiles, 2, 'H')
  t.strictSame(
    rows.map(({ heading, tiles }) => [heading, tiles.map(({ image }) => image.data[0])]),
    [
      ['H', [0, 1]],
      [undefined, [2, 3]],
      [undefined, [4]],
    ],
  )
  t.end()
})
