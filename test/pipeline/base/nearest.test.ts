import t from 'tap'
import { didYouMean, suggestion } from '../../../dist/pipeline/base/nearest.js'

const stages = ['load/digits', 'load/csv', 'batch/rows', 'shuffle/rows', 'sink/csv']

t.test('didYouMean suggests the most similar candidate, or nothing if none is similar', async (t) => {
  for (const [name, nearest] of [
    ['load/digitz', 'load/digits'],
    ['load/dgiits', 'load/digits'],
    ['LOAD/DIGITS', 'load/digits'],
    ['digits', 'load/digits'],
    ['shufle/row', 'shuffle/rows'],
    ['rows', 'batch/rows'],
    ['teleport', undefined],
    ['to', undefined],
    ['', undefined],
  ] as const)
    t.equal(didYouMean(name, stages), nearest ? `; did you mean "${nearest}"?` : '', name)
})

t.test('didYouMean knows the words of other programs', async (t) => {
  for (const [name, known, meant] of [
    ['lr', ['l1', 'eta'], 'eta'],
    ['learning_rate', ['model.l1', 'model.eta'], 'model.eta'],
    ['weight-decay', ['lambda'], 'lambda'],
    ['batch_size', ['size', 'epochs'], 'size'],
    ['Alpha', ['lambda', 'alpha'], 'alpha'],
    ['constructor', ['eta'], undefined],
  ] as const)
    t.equal(didYouMean(name, known), meant ? `; did you mean "${meant}"?` : '', name)
})

t.test('didYouMean counts a swap of two letters as one difference', async (t) => {
  t.equal(didYouMean('eat', ['eta']), '; did you mean "eta"?')
  t.equal(didYouMean('abc', ['xyc']), '')
})

t.test('didYouMean takes the first of equally similar candidates', async (t) => {
  t.equal(didYouMean('rowz', ['rows', 'rowy']), '; did you mean "rows"?')
})

t.test('didYouMean is fast for very long names', async (t) => {
  const start = performance.now()
  t.equal(didYouMean('x'.repeat(1e6), stages), '')
  t.ok(performance.now() - start < 200)
})

t.test('suggestion lists the names if none is similar, and is empty if there are none', async (t) => {
  t.equal(suggestion('etta', ['eta', 'lambda'], 'vars'), '; did you mean "eta"?')
  t.equal(suggestion('teleport', ['eta', 'lambda'], 'vars'), '; vars: eta, lambda')
  t.equal(suggestion('eta', [], 'vars'), '')
  const many = Array.from({ length: 1000 }, (_, i) => `name-number-${i}`)
  t.match(suggestion('teleport', many, 'vars'), /name-number-29, …$/, 'a thousand names help nobody')
})
