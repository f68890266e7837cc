import t from 'tap'
import { textColumns } from '../../../dist/pipeline/base/text-table.js'

t.test('columns are as wide as their longest cell, numbers stand to the right, no line ends in spaces', async (t) => {
  const rows = [
    ['name', 'loss', 'note'],
    ['a', '10.5', ''],
    ['longer', '2', 'best'],
  ]
  t.strictSame(
    textColumns(rows, (column) => column === 1),
    ['name    loss  note', 'a       10.5', 'longer     2  best'],
  )
  t.strictSame(textColumns(rows), ['name    loss  note', 'a       10.5', 'longer  2     best'])
  t.strictSame(textColumns([]), [])
  const wide = [
    ['漢字', '漢', 'end'],
    ['👨‍👩‍👧', 'abc', 'end'],
  ]
  t.strictSame(
    textColumns(wide, (column) => column === 1),
    ['漢字   漢  end', '👨‍👩‍👧    abc  end'],
    'characters that take two cells, and joined ones',
  )
})
