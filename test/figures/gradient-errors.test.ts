import t from 'tap'
import { gradientErrorsFigure } from '../../dist/figures/gradient-errors.js'

const errors = [1e-2, 1e-5, 1e-8].flatMap((h) =>
  ['forward', 'centred'].map((method) => ({
    array: 'W',
    method,
    h,
    error: method === 'forward' ? h : h * h + 1e-16 / h,
  })),
)

t.test('a line per array and method, the same bytes each time', async (t) => {
  const svg = await gradientErrorsFigure(errors)
  t.match(svg, /^<svg role="img" aria-label="Error of the gradient against the width of the differences"/)
  t.match(svg, '>W, forward<')
  t.match(svg, '>W, centred<')
  t.equal(await gradientErrorsFigure(errors), svg)
})

t.test('errors of 0, which have no logarithm, are left out', async (t) => {
  const svg = await gradientErrorsFigure([...errors, { array: 'b', method: 'centred', h: 1e-5, error: 0 }])
  t.notMatch(svg, '>b, centred<')
})
