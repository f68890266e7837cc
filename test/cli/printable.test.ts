import t from 'tap'
import { printable } from '../../dist/cli/printable.js'

t.test('printable spells out what would command a terminal', async (t) => {
  t.equal(printable('a\x1b[31mb\x07\u009b2J\r'), 'a\\u001b[31mb\\u0007\\u009b2J\\u000d')
  t.equal(printable('gpj\u202eexe'), 'gpj\\u202eexe')
  t.equal(printable('line\n\tÄ → 漢字 😀\r\x1b[2Know'), 'line\n\tÄ → 漢字 😀\r\x1b[2Know')
})
