import fc from 'fast-check'

/** Names with a meaning in JavaScript objects. */
export const prototypeKeys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf']

/** Numbers that are too large or too small, and values that are not finite. */
export const absurdNumbers = [
  0,
  -0,
  -1,
  0.5,
  1e-320,
  255,
  256,
  2 ** 31,
  2 ** 32,
  1e9,
  1e12,
  9e15,
  2 ** 53,
  1e308,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
]

/** File names that lead out of the folder, that some system forbids, or that are taken. */
export const absurdPaths = [
  '..',
  '../x',
  'a/../../x',
  '/tmp/x',
  '//x',
  'C:\\x',
  'C:x',
  '\\\\server\\x',
  '\\\\?\\C:\\x',
  'a\\..\\..\\x',
  'CON',
  'nul.csv',
  'com1',
  'x.',
  'x ',
  ' x',
  '.',
  './',
  'a//b',
  'a/./b',
  'x\0.csv',
  'x\n',
  '\x1b[2J',
  'é',
  'e\u0301',
  '💥',
  '\ud800',
  '\u202egnp.exe',
  '~',
  '~/x',
  '-',
  '--help',
  '*',
  '$HOME',
  'x'.repeat(256),
  'x'.repeat(5000),
  'a/'.repeat(300),
  'run.json',
  'RUN.JSON',
  './pipeline.yaml',
  'lock',
  'checkpoint/x',
  'metrics.csv',
  'Metrics.CSV',
  'metrics.csv/x',
  'metrics.csv.part',
  'file:///tmp/x',
  '%2e%2e/x',
  'x:stream',
  '/dev/null',
] // prettier-ignore

/** Short texts, many of them names, paths or numbers from above. */
export const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(...prototypeKeys, ...absurdPaths),
  fc.constantFrom(...absurdNumbers).map(String),
)

/** Plain data of any shape. */
export const data = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    text,
    fc.constantFrom(...absurdNumbers),
    fc.boolean(),
    fc.constant(null),
    tie('list'),
    tie('mapping'),
  ),
  list: fc.array(tie('value'), { maxLength: 4 }),
  mapping: fc.array(fc.tuple(text, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
})).value

const change = fc.record({
  kind: fc.constantFrom('cut', 'remove', 'insert', 'double', 'flip', 'swap', 'fill'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat(40),
  token: fc.nat(),
  byte: fc.nat(255),
})

/**
 * A buffer after up to six changes: it is cut off, spans are removed, doubled, swapped or overwritten, bits are flipped
 * or tokens are inserted.
 */
export function mutated(bases, tokens) {
  return fc
    .tuple(fc.constantFrom(...bases), fc.array(change, { maxLength: 6 }))
    .map(([base, changes]) => changes.reduce((bytes, each) => changed(bytes, each, tokens), Buffer.from(base)))
}

function changed(bytes, { kind, at, length, token, byte }, tokens) {
  const from = Math.min(bytes.length, Math.floor(at * (bytes.length + 1)))
  const to = Math.min(bytes.length, from + length)
  const [before, span, after] = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)]
  switch (kind) {
    case 'cut':
      return Buffer.from(before)
    case 'remove':
      return Buffer.concat([before, after])
    case 'insert':
      return Buffer.concat([before, Buffer.from(tokens[token % tokens.length]), span, after])
    case 'double':
      return Buffer.concat([before, span, span, after])
    case 'swap':
      return Buffer.concat([span, before, after])
    case 'fill':
      return Buffer.concat([before, Buffer.alloc(span.length, byte), after])
    default:
      return Buffer.concat([before, span.map((value, i) => (i === 0 ? value ^ (1 << (byte % 8)) : value)), after])
  }
}
