import t from 'tap'
import { heatmap } from '../../dist/figures/heatmap.js'

t.test('cells go from light to dark, with text that can be read on them', async (t) => {
  const svg = await heatmap(
    { rows: 1, columns: 3, shares: [0, 0.5, 1], textOf: (_, column) => `c${column}` },
    10,
    20,
    30,
  )
  const fills = [...svg.matchAll(/<rect [^>]*fill="(#\w+)"/g)].map(([, fill]) => fill)
  t.strictSame([fills[0], fills[2]], ['#f4f4f4', '#14284b'])
  t.match(svg, /<rect x="70" y="20" width="29" height="29"/)
  t.match(svg, /fill="#1c1c1c"[^>]*>c0</)
  t.match(svg, /fill="#ffffff"[^>]*>c2</)
})

t.test('many cells are one image', async (t) => {
  const svg = await heatmap({ rows: 60, columns: 60, shares: new Float64Array(3600).fill(Number.NaN) }, 0, 0, 10)
  t.match(svg, /^<image x="0" y="0" width="600" height="600"/)
  t.ok(svg.length < 20_000)
})
