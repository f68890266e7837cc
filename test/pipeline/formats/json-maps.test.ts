import fc from 'fast-check'
import t from 'tap'
import { type Json, parseJson } from '../../../dist/pipeline/formats/json-maps.js'

/** The value as JSON.parse returns it. */
function toObjects(value: Json): unknown {
  if (Array.isArray(value)) return value.map(toObjects)
  if (!(value instanceof Map)) return value
  const made = {}
  for (const [key, item] of value as ReadonlyMap<string, Json>)
    Object.defineProperty(made, key, { value: toObjects(item), enumerable: true, configurable: true, writable: true })
  return made
}

t.test('parseJson accepts what JSON.parse accepts, with any spacing', async (t) => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t\n\r '), (text, space) => {
      const spaced = JSON.stringify(JSON.parse(text), null, space)
      t.strictSame(toObjects(parseJson(spaced)), JSON.parse(text))
    }),
    { numRuns: 300 },
  )
})

t.test('parseJson refuses what JSON.parse refuses', async (t) => {
  const characters = fc.string({ unit: fc.constantFrom(...'{}[]":,\\tru1e-.0u" '), maxLength: 12 })
  fc.assert(
    fc.property(characters, (text) => {
      let expected: unknown
      try {
        expected = JSON.parse(text)
      } catch {
        t.throws(() => parseJson(text), /^offset \d+: expected .*, found |^offset \d+: duplicate key/)
        return
      }
      t.strictSame(toObjects(parseJson(text)), expected)
    }),
    { numRuns: 2000 },
  )
})

t.test('keys keep their order, and none reaches a prototype', async (t) => {
  const read = parseJson('{"b":1,"1":2,"0":3,"__proto__":{"x":4},"constructor":5}') as ReadonlyMap<string, Json>
  t.strictSame([...read.keys()], ['b', '1', '0', '__proto__', 'constructor'])
  t.equal(Object.getPrototypeOf(read), Map.prototype)
  t.equal(({} as { x?: unknown }).x, undefined)
})

t.test('errors say what is wrong and where', async (t) => {
  for (const [text, message] of [
    ['{"a":1,"a":2}', 'offset 7: duplicate key "a"'],
    ['{"a":1,"\\u0061":2}', 'offset 7: duplicate key "a"'],
    ['{"a" 1}', 'offset 5: expected ":", found "1}"'],
    ['{"a":1,}', 'offset 7: expected a string, found "}"'],
    ['[1 2]', 'offset 3: expected "," or "]", found "2]"'],
    ['[1] x', 'offset 4: expected the end, found "x"'],
    ['"abc', 'offset 4: expected the end of a string, found the end'],
    ['', 'offset 0: expected a value, found the end'],
    ['[NaN]', 'offset 1: expected a value, found "NaN]"'],
  ] as const)
    t.throws(() => parseJson(text), { message }, text)
})

t.test('deep nesting is refused early', async (t) => {
  t.ok(parseJson('[[[]]]', 3))
  t.throws(() => parseJson('[[[[]]]]', 3), { message: 'offset 3: nested more than 3 deep' })
  for (const text of ['['.repeat(1e6), '{"a":'.repeat(1e5)]) t.throws(() => parseJson(text), /nested more than 8 deep/)
})
