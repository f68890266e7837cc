import t from 'tap'
import { centralAxis } from '../../dist/figures/curve-axis.js'

const curve = (run: string, ...ys: (number | null)[]) => ys.map((y, i) => ({ run, split: 'train', x: i + 1, y }))
const calm = [...curve('a', 2, 1.5), ...curve('b', 2.1, 1.6)]

t.test('a run that makes the axis three times as long is cut, with an arrow at each edge that it leaves', (t) => {
  const axis = centralAxis([...calm, ...curve('wild', 2, 30, 90, -5)], false)!
  t.strictSame(
    axis.domain.map((edge) => Number(edge.toFixed(3))),
    [1.47, 2.13],
  )
  const at = { run: 'wild', split: 'train' }
  t.strictSame(axis.cut, [
    { ...at, end: 'upper', farthest: 90, x: 2 },
    { ...at, end: 'lower', farthest: -5, x: 4 },
  ])
  t.end()
})

t.test('nothing is cut without need, and never half of the runs', (t) => {
  for (const [points, isLog] of [
    [[...calm, ...curve('c', 3)], false],
    [[...curve('a', 2, 1), ...curve('wild', 90)], false],
    [[...calm, ...curve('d', 90, 91), ...curve('e', 92)], false],
    [[...curve('a', 1, 10), ...curve('b', 1, 10), ...curve('c', 1, 900)], true],
    [[...calm, ...curve('gap', null)], false],
    [[...curve('a', 1), ...curve('b', 1), ...curve('c', 9)], false],
  ] as const)
    t.equal(centralAxis(points, isLog), undefined)
  t.ok(centralAxis([...curve('a', 1, 10), ...curve('b', 1, 10), ...curve('c', 1, 1e6)], true))
  t.end()
})
