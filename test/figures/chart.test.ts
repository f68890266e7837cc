import t from 'tap'
import { chart } from '../../dist/figures/chart.js'

const clipped = {
  data: { values: [{ x: 1, y: 2 }] },
  mark: { type: 'point', clip: true },
  encoding: { x: { field: 'x', type: 'quantitative' }, y: { field: 'y', type: 'quantitative' } },
}

t.test('ids are the same every time, and those of two figures differ', async (t) => {
  const ids = (svg: string) => [...svg.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)
  const [first, again, other] = [await chart(clipped), await chart(clipped), await chart({ ...clipped, width: 99 })]
  t.equal(first, again)
  t.equal(ids(first).length, 1)
  t.match(first, `url(#${ids(first)[0]})`)
  t.not(ids(first)[0], ids(other)[0])
})

t.test('it is described once, for who cannot see it', async (t) => {
  const svg = await chart(clipped, 'A "point"')
  t.match(svg, /^<svg role="img" aria-label="A &quot;point&quot;"/)
  t.equal(svg.match(/aria-/g)!.length, 1)
})

t.test('a specification that is wrong is an error', async (t) => {
  await t.rejects(chart({ mark: 'nothing' }))
})
