import t from 'tap'
import { counted, cutName, listed, someOf } from '../../../dist/pipeline/base/words.js'

t.test('a number of things has the right plural', (t) => {
  for (const [thing, several] of [
    ['row', 'rows'],
    ['more class', 'more classes'],
    ['batch', 'batches'],
    ['epoch', 'epochs'],
    ['query', 'queries'],
    ['day', 'days'],
  ] as const) {
    t.equal(counted(1, thing), `1 ${thing}`)
    t.equal(counted(0, thing), `0 ${several}`)
  }
  t.equal(counted(1797, 'row', '1,797'), '1,797 rows')
  t.end()
})

t.test('a name that would not be seen as one is in quotes', (t) => {
  t.equal(someOf(['a', 'Plan, current', '', ' b']), 'a, "Plan, current", "", " b"')
  t.end()
})

t.test('long lists and long names are cut', (t) => {
  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i}`)
  t.equal(listed([]), '')
  t.equal(listed(['a']), 'a')
  t.equal(listed(['a', 'b', 'c'], 'and'), 'a, b and c')
  t.equal(listed(names(3072)), 'n0, n1, n2, n3, n4 … (3072 in all)')
  t.equal(someOf([]), '')
  t.equal(someOf(names(5)), 'n0, n1, n2, n3, n4')
  t.equal(someOf(names(6)), 'n0, n1, n2, n3, n4 … (6 in all)')
  t.equal(cutName('x'.repeat(40)), 'x'.repeat(40))
  t.equal(cutName('x'.repeat(41)), `${'x'.repeat(39)}…`)
  t.end()
})
