import t from 'tap'
import { slugOf } from '../../../dist/pipeline/base/slug.js'

t.test('a name of plain characters is its own slug', (t) => {
  for (const name of ['digits', 'cifar10-experiment-3', 'a.b_c-D', '7', 'x'.repeat(100)]) t.equal(slugOf(name), name)
  t.end()
})

t.test('any other name gets a slug that means nothing to a file system', (t) => {
  const names = [
    'Größe',
    'my run',
    'my  run',
    'my-run ',
    '..',
    '.',
    '/',
    '../../etc',
    'a/b',
    'a\\b',
    'c:',
    '-x',
    '.x',
    'x.',
    '~',
    'CON',
    'nul.txt',
    '実験 1',
    '実験 2',
    '🙂',
    '\u0000',
    'x'.repeat(300),
    '*',
    'a?b',
    '%2e%2e',
  ]
  for (const name of names)
    t.match(slugOf(name), /^[A-Za-z0-9][A-Za-z0-9-]{0,58}[A-Za-z0-9]-[0-9a-f]{8}$|^[A-Za-z0-9]-[0-9a-f]{8}$/, name)
  t.equal(new Set(names.map(slugOf)).size, names.length, 'all slugs differ')
  t.match(slugOf('Größe'), /^Grosse-/)
  t.match(slugOf('Œuvre n° 3, Łódź'), /^Oeuvre-n-3-Lodz-/)
  t.match(slugOf('実験'), /^run-/)
  t.equal(slugOf('Gro\u0308sse'.normalize('NFD')), slugOf('Grösse'), 'the same text in another normal form')
  t.end()
})
