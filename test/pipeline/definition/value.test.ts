import t from 'tap'
import { shortPath } from '../../../dist/pipeline/base/words.js'
import {
  formatOrigin,
  isResolved,
  locate,
  type Origin,
  plain,
  unresolved,
  valueFrom,
  withValue,
} from '../../../dist/pipeline/definition/value.js'

const code: Origin = { kind: 'code' }
const set: Origin = { kind: 'set', text: '--set a=1' }
const at: Origin = { kind: 'file', file: `${process.cwd()}/a/b.yaml`, line: 2, column: 3 }

t.test('formatOrigin describes where a value comes from', async (t) => {
  for (const [origin, words] of [
    [at, 'a/b.yaml:2:3'],
    [{ kind: 'environment', name: 'HOME', at }, 'a/b.yaml:2:3 ($HOME)'],
    [set, '--set a=1'],
    [code, 'code'],
    [{ kind: 'default' }, 'default'],
  ] as const)
    t.equal(formatOrigin(origin), words)
})

t.test('shortPath is relative if that is shorter', async (t) => {
  t.equal(shortPath(`${process.cwd()}/a.yaml`), 'a.yaml')
  t.equal(shortPath('/x'), '/x')
  t.equal(shortPath(process.cwd()), process.cwd())
})

t.test('valueFrom and plain are inverse to each other', async (t) => {
  const data = { a: [1, 'x', null, { b: true }], c: {} }
  t.strictSame(plain(valueFrom(data, code)), data)
  t.strictSame(plain(valueFrom({ a: undefined, b: 1 }, code)), { b: 1 })
  t.throws(() => valueFrom({ a: [{ b: () => 1 }] }, code), { message: 'a[0].b: expected plain data, got a function' })
  t.throws(() => valueFrom({ a: [1, undefined] }, code), { message: 'a[1]: expected plain data, got undefined' })
  t.throws(() => valueFrom(1n, code), { message: 'value: expected plain data, got a bigint' })
})

t.test('plain keeps a key "__proto__" a plain key', async (t) => {
  const data = plain(valueFrom(JSON.parse('{ "__proto__": { "x": 1 } }'), code)) as object
  t.strictSame(Object.keys(data), ['__proto__'])
  t.equal(Object.getPrototypeOf(data), Object.prototype)
})

t.test('locate returns the deepest existing part of a path', async (t) => {
  const value = valueFrom({ a: [{ b: 1 }] }, code)
  t.equal(plain(locate(value, ['a', 0, 'b'])), 1)
  t.strictSame(plain(locate(value, ['a', 0, 'c', 'd'])), { b: 1 })
  t.equal(locate(value, ['z']), value)
})

t.test('withValue sets a part of a copy, and creates mappings on the way', async (t) => {
  const before = valueFrom({ a: { b: 1, c: 2 } }, at)
  const one = valueFrom(9, set)
  for (const [path, after] of [
    [['a', 'b'], { a: { b: 9, c: 2 } }],
    [['a', 'd', 'e'], { a: { b: 1, c: 2, d: { e: 9 } } }],
    [['a', 'b', 'x'], { a: { b: { x: 9 }, c: 2 } }],
    [['f'], { a: { b: 1, c: 2 }, f: 9 }],
  ] as const)
    t.strictSame(plain(withValue(before, path, one)), after, path.join('.'))
  t.strictSame(plain(before), { a: { b: 1, c: 2 } })
  t.strictSame(plain(withValue(undefined, ['a'], one)), { a: 9 })
})

t.test('withValue keeps the origin of a mapping; a new mapping gets that of the value', async (t) => {
  const before = valueFrom({ a: { b: 1 } }, at)
  const changed = withValue(before, ['a', 'b', 'x'], valueFrom(9, set))
  t.equal(locate(changed, ['a']).origin, at)
  t.equal(locate(changed, ['a', 'b']).origin, set)
})

t.test('isResolved checks every part', async (t) => {
  t.ok(isResolved(valueFrom({ a: [1] }, code)))
  t.notOk(isResolved(unresolved))
  t.notOk(
    isResolved({ data: [{ data: new Map([['a', { key: code, value: unresolved }]]), origin: code }], origin: code }),
  )
})
