import t from 'tap'
import { cutName, listed, someOf } from '../../../dist/pipeline/base/words.js'

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
