import t from 'tap'
import { barsFigure } from '../../dist/figures/bars.js'

t.test('groups and bars stand in their order', async (t) => {
  const bars = ['z', 'a'].flatMap((group) => [
    { group, name: 'feature 9', value: -2 },
    { group, name: 'feature 1', value: 1 },
  ])
  const svg = await barsFigure(bars, { title: 'Weights' })
  const texts = [...svg.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text)
  t.strictSame(
    texts.filter((text) => /^(z|a)$/.test(text!)),
    ['z', 'a'],
  )
  t.strictSame(texts.filter((text) => /^feature/.test(text!)).slice(0, 2), ['feature 9', 'feature 1'])
  t.ok(texts.includes('Weights'))
  t.equal(await barsFigure(bars, { title: 'Weights' }), svg)
})
