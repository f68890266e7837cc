import t from 'tap'
import { nonFiniteAsText } from '../../../dist/pipeline/base/json.js'

t.test('numbers that JSON does not have become strings that Number reads back', async (t) => {
  const text = JSON.stringify([1.5, -0, Number.NaN, Infinity, { low: -Infinity, text: 'NaN' }, null], nonFiniteAsText)
  t.equal(text, '[1.5,0,"NaN","Infinity",{"low":"-Infinity","text":"NaN"},null]')
  t.strictSame(['NaN', 'Infinity', '-Infinity'].map(Number), [
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ])
})
