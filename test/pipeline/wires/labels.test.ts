import t from 'tap'
import { alikeLabels, inClassOrder, labelText, mergedLabel } from '../../../dist/pipeline/stage-kit.js'

t.test('labelText keeps a text, and writes a whole number in one way', (t) => {
  const cases: [label: string, text: string][] = [
    ['1', '1'],
    ['1.0', '1'],
    ['1.000', '1'],
    [' 7 ', '7'],
    ['\u00a0a\tb ', 'a\tb'],
    ['0', '0'],
    ['-0', '0'],
    ['-0.0', '0'],
    ['-12.0', '-12'],
    ['01', '01'],
    ['1.', '1.'],
    ['1.10', '1.10'],
    ['.0', '.0'],
    ['1e3', '1e3'],
    ['0x10', '0x10'],
    ['+1', '+1'],
    ['NaN', 'NaN'],
    ['Infinity', 'Infinity'],
    ['9007199254740993.0', '9007199254740993'],
    ['１', '１'],
  ]
  for (const [label, text] of cases) t.equal(labelText(label), text, JSON.stringify(label))
  t.end()
})

t.test('inClassOrder sorts whole numbers by value and all else by code units', (t) => {
  const cases: [labels: string[], classes: string[]][] = [
    [
      ['10', '9', '-1', '-10', '9'],
      ['-10', '-1', '9', '10'],
    ],
    [
      ['9007199254740993', '9007199254740992', '90071992547409920'],
      ['9007199254740992', '9007199254740993', '90071992547409920'],
    ],
    [
      ['10', '9', '01'],
      ['01', '10', '9'],
    ],
    [
      ['b', 'B', 'ä', 'a'],
      ['B', 'a', 'b', 'ä'],
    ],
    [[], []],
  ]
  for (const [labels, classes] of cases) t.strictSame(inClassOrder(labels), classes, labels.join(' '))
  t.end()
})

t.test('mergedLabel depends on the label alone, and merging twice changes nothing', (t) => {
  const cases: [label: string, merge: ('case' | 'stops')[], merged: string][] = [
    ['Yes.', [], 'Yes.'],
    ['Yes.', ['case'], 'yes.'],
    ['Yes. .', ['stops'], 'Yes'],
    ['YES...', ['case', 'stops'], 'yes'],
    ['2.', ['stops'], '2'],
    ['2.0.', ['stops'], '2'],
    ['...', ['stops'], '...'],
  ]
  for (const [label, merge, merged] of cases) {
    t.equal(mergedLabel(label, merge), merged, label)
    t.equal(mergedLabel(merged, merge), merged)
  }
  t.strictSame(alikeLabels(['a', 'B', 'b', 'a.', 'c']), [
    ['a', 'a.'],
    ['B', 'b'],
  ])
  t.end()
})
