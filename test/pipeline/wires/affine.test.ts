import t from 'tap'
import { composed, readAffine, writeAffine } from '../../../dist/pipeline/wires/affine.js'

const first = { mean: Float64Array.of(10, 5), scale: Float64Array.of(0.5, 0) }

t.test('composed applies the second map after the first', (t) => {
  const second = { mean: Float64Array.of(3, 3), scale: Float64Array.of(4, 4) }
  const both = composed(first, second)
  t.equal((20 - both.mean[0]!) * both.scale[0]!, ((20 - 10) * 0.5 - 3) * 4)
  t.equal(both.scale[1], 0, 'a feature that is constant stays so')
  t.end()
})

t.test('a map is written to metadata and read back to the last bit', (t) => {
  const odd = { mean: Float64Array.of(0.1 + 0.2, -5e-324), scale: Float64Array.of(1 / 3, 1e300) }
  for (const affine of [first, odd]) {
    const metadata = new Map([['shape', '2']])
    writeAffine(metadata, 'applied', affine)
    t.strictSame([...metadata.keys()], ['shape', 'applied.mean', 'applied.scale'])
    t.strictSame(readAffine(metadata, 'applied'), affine)
    t.equal(readAffine(metadata, 'affine'), undefined, 'under another key there is none')
  }
  t.end()
})

t.test('without a map nothing is written; a damaged one is an error', (t) => {
  const metadata = new Map<string, string>()
  writeAffine(metadata, 'affine', undefined)
  t.equal(metadata.size, 0)
  t.equal(readAffine(new Map([['affine.mean', '[1]']]), 'affine'), undefined, 'half of a map is none')
  t.throws(
    () =>
      readAffine(
        new Map([
          ['affine.mean', '[1'],
          ['affine.scale', '[1]'],
        ]),
        'affine',
      ),
    SyntaxError,
  )
  t.end()
})
