import { test } from 'tap'
import { flowChart } from '../../dist/figures/flow-chart.js'
import { layered } from '../../dist/figures/layers.js'

const box = (id: string, width = 60) => ({ id, width, height: 40 })
const chain = (text: string) => text.split(' ').map((arrow) => ({ from: arrow[0]!, to: arrow[1]! }))

test('boxes lie below what feeds them and beside each other, and arrows pass between', async (t) => {
  for (const [names, arrows] of [
    ['abcde', 'ab bc cd ad ae'],
    ['abcdefgh', 'ab ac ad ae bf cf df ef fg ag ah'],
    ['abcdef', 'ad be cf ae bd'],
    ['ab', ''],
  ] as const) {
    const boxes = [...names].map((id, i) => box(id, 40 + 30 * (i % 3)))
    const wires = arrows ? chain(arrows) : []
    const { places, bends, width, height } = layered(boxes, wires)
    const area = ({ id, width: w }: (typeof boxes)[number]) => {
      const { x, y } = places.get(id)!
      return { left: x - w / 2, right: x + w / 2, top: y, bottom: y + 40 }
    }
    for (const { from, to } of wires)
      t.ok(places.get(to)!.y >= places.get(from)!.y + 40, `${names}: ${from} above ${to}`)
    for (const a of boxes) {
      const own = area(a)
      t.ok(own.left >= -0.01 && own.right <= width + 0.01 && own.bottom <= height + 0.01, `${names}: ${a.id} is inside`)
      for (const b of boxes.filter((other) => other !== a)) {
        const other = area(b)
        t.ok(own.right <= other.left || own.left >= other.right || own.bottom <= other.top || own.top >= other.bottom)
      }
      for (const { x, y } of bends.flat())
        t.notOk(
          x > own.left && x < own.right && y >= own.top && y <= own.bottom,
          `${names}: no arrow runs through ${a.id}`,
        )
    }
  }
})

test('a chain is straight, and the same graph gives the same picture', async (t) => {
  const { places } = layered(
    [...'abc'].map((id) => box(id)),
    chain('ab bc'),
  )
  t.equal(new Set([...places.values()].map(({ x }) => x)).size, 1)
  const draw = () =>
    flowChart(
      'a <b>',
      [
        { id: 'a', lines: ['<x>', 'y'] },
        { id: 'b', lines: ['b'] },
      ],
      [{ from: 'a', to: 'b', kind: 'k&' }],
    )
  t.equal(draw(), draw())
  t.match(draw(), /&lt;x&gt;[\s\S]*k&amp;|k&amp;[\s\S]*&lt;x&gt;/)
  t.notMatch(draw(), /NaN|Infinity|undefined/)
})
