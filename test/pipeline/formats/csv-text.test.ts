import { parse } from 'csv-parse/sync'
import t from 'tap'
import { csvOf, fromCsvText } from '../../../dist/pipeline/formats/csv-text.js'

t.test('text that a spreadsheet takes for a formula gets a quote, in heads and in cells', async (t) => {
  const formulas = ['=1+1', '+cmd|x', '-2+3', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '  =1', '＝1', '+', '-']
  const lines = parse(csvOf([formulas, formulas])) as string[][]
  for (const line of lines) for (const [i, cell] of line.entries()) t.equal(cell, `'${formulas[i]}`)
})

t.test('numbers and ordinary text stay as they are', async (t) => {
  t.equal(csvOf([[-1.5, Number.NaN, -Infinity, 1e-7, 0]]), '-1.5,NaN,-Infinity,1e-7,0\n')
  t.equal(csvOf([['-1', '+1', '-1.5e-7', '.5', 'a=b', "it's", '', '–']]), "-1,+1,-1.5e-7,.5,a=b,it's,,–\n")
  t.equal(csvOf([['a,b', 'say "x"', 'two\nlines']]), '"a,b","say ""x""","two\nlines"\n')
})

t.test('what is read back is what was written, quotes in front included', async (t) => {
  const texts = ['=1', "'=1", "''=1", "'a", "'", '-1', "'-1", "' =1", "'\t", 'x', '']
  const [line] = parse(csvOf([texts])) as string[][]
  t.strictSame(line!.map(fromCsvText), texts)
  t.equal(new Set(line).size, texts.length)
})
