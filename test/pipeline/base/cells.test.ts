import t from 'tap'
import { cellsOf, cutToCells, endInCells, padToCells } from '../../../dist/pipeline/base/cells.js'

t.test('a text takes as many cells as a terminal gives it', async (t) => {
  for (const [text, cells] of [
    ['', 0],
    ['Größe', 5],
    ['Gro\u0308\u00dfe', 5],
    ['漢字', 4],
    ['한글', 4],
    ['ｗｉｄｅ', 8],
    ['😀!', 3],
    ['a\u200bb', 2],
    ['a\x1bb', 8],
    ['→ ±', 3],
    ['👨‍👩‍👧', 2],
    ['🇩🇪', 2],
    ['👍🏽', 2],
    ['❤️', 2],
    ['❤', 1],
  ] as const)
    t.equal(cellsOf(text), cells, text)
})

t.test('a text is cut before the character that does not fit, and padded to cells', async (t) => {
  t.equal(cutToCells('漢字漢字', 5), '漢字')
  t.equal(cutToCells('a😀b', 2), 'a', 'no half of a pair')
  t.equal(cutToCells('👨‍👩‍👧b', 2), '👨‍👩‍👧', 'nothing of a joined picture')
  t.equal(cutToCells('abc', 0), '')
  t.equal(cutToCells('abc', Number.POSITIVE_INFINITY), 'abc')
  t.equal(padToCells('漢', 5), '漢   ')
  t.equal(padToCells('abcdef', 3), 'abcdef')
  t.equal(padToCells('漢', 5, 'start'), '   漢')
  t.equal(endInCells('漢字漢字', 5), '漢字')
  t.equal(endInCells('a👨‍👩‍👧', 2), '👨‍👩‍👧')
  t.equal(endInCells('abc', 0), '')
})
