import { decode } from 'fast-png'
import t from 'tap'
import { dataUrl, imageLayout, pixelsOf, rangeOf } from '../../dist/figures/pixels.js'

t.test('shapes are read as images, or not', (t) => {
  const sizes = (shape: number[]) => {
    const layout = imageLayout(shape)
    return layout && [layout.width, layout.height, layout.channels]
  }
  t.strictSame(sizes([3, 32, 16]), [16, 32, 3])
  t.strictSame(sizes([1, 8, 8]), [8, 8, 1])
  t.strictSame(sizes([28, 20]), [20, 28, 1])
  t.strictSame(sizes([32, 16, 3]), [16, 32, 3])
  for (const shape of [[], [4], [2, 8, 8], [1, 1, 30], [1, 5], [3, 3, 3, 3]]) t.equal(sizes(shape), undefined)
  t.end()
})

t.test('values are stretched over the range, channels interleaved', (t) => {
  const first = imageLayout([3, 2, 2])!
  const values = [0, 1, 2, 3, 10, 11, 12, 13, 20, 20, 20, 20]
  const of = (range: [number, number]) => pixelsOf(values, first, range)
  t.strictSame([...of([0, 255]).data], [0, 10, 20, 1, 11, 20, 2, 12, 20, 3, 13, 20])
  t.strictSame([...of([0, 10]).data].slice(0, 6), [0, 255, 255, 26, 255, 255])
  const last = pixelsOf([0, 10, 20, 1, 11, 20, 2, 12, 20, 3, 13, 20], imageLayout([2, 2, 3])!, [0, 255])
  t.strictSame(last.data, of([0, 255]).data, 'channels last are the same image')
  const grey = pixelsOf([9, 9, 9, 9, -1, 0, 1, Number.NaN], imageLayout([2, 2])!, [-1, 1], 4)
  t.strictSame([...grey.data], [0, 128, 255, 128], 'from the offset; what is no number is grey')
  t.strictSame([...pixelsOf([5, 5, 5, 5], imageLayout([2, 2])!, [5, 5]).data], [128, 128, 128, 128])
  t.end()
})

t.test('the range leaves out what is not finite', (t) => {
  t.strictSame(rangeOf([9, 3, Number.NaN, -2, Infinity, 99], 1, 4), [-2, 3])
  t.strictSame(rangeOf([Number.NaN]), [0, 0])
  t.end()
})

t.test('a data URL holds the same pixels, and the same bytes every time', async (t) => {
  const pixels = { width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 250, 251, 252) } as const
  const url = await dataUrl(pixels)
  const png = decode(Buffer.from(url.replace('data:image/png;base64,', ''), 'base64'))
  t.strictSame([png.width, png.height, png.channels, ...png.data], [2, 1, 3, 1, 2, 3, 250, 251, 252])
  t.equal(await dataUrl(pixels), url)
})
