import t from 'tap'
import { sheetTable } from '../../dist/report/data-table.js'

t.test('names of classes stay as they are, other numbers get three digits', (t) => {
  const sheet = {
    columns: ['class', 'rows', 'max_error', 'predicted 1.10', 'predicted a_b'],
    rows: [
      ['1.10', '7', '0.123456', '1', ''],
      ['1e3', '8', '1e-9', '0', '2'],
    ],
  }
  const { columns, rows } = sheetTable('id', 'A table', sheet)
  t.strictSame(
    columns.map(({ name }) => name),
    ['class', 'rows', 'max error', 'predicted 1.10', 'predicted a_b'],
  )
  t.strictSame(
    rows.map((row) => row.map(({ text }) => text)),
    [
      ['1.10', '7', '0.123', '1', '–'],
      ['1e3', '8', '1e−9', '0', '2'],
    ],
  )
  t.end()
})
