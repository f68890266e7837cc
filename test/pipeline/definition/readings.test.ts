import t from 'tap'
import { z } from 'zod'
import { settingValue, textValue } from '../../../dist/pipeline/definition/outside-text.js'
import { withReadings } from '../../../dist/pipeline/definition/readings.js'
import { type Origin, plain, type Value } from '../../../dist/pipeline/definition/value.js'

const environment: Origin = { kind: 'environment', name: 'X', at: { kind: 'code' } }
const set: Origin = { kind: 'set', text: '--set x=…' }
const text = z.string().min(1)
const texts = [
  '007',
  '1.10',
  '61e9540',
  '1e5',
  '0x1F',
  'True',
  'null',
  '~',
  '12345678901234567890',
  '.5',
  '-3',
  '*.csv',
  '&a b',
  '!!int 3',
  'a: b',
  '- a',
  'two\nlines',
  'with # sign',
  '${NOT} $${',
  ' padded ',
]
const bracketed = ['[1, 2', '{', '["a"]', '{"a": 1}', '"quoted"', "it's"]

/** What an option with this schema gets. */
const read = (schema: z.ZodType, value: Value): unknown => plain(withReadings(schema, value))

t.test('text of the environment is unchanged where text is taken, whatever it looks like', async (t) => {
  for (const each of [...texts, ...bracketed]) {
    t.equal(read(text, textValue(each, environment)), each, each)
    t.equal(read(z.unknown(), textValue(each, environment)), each, `${each}, for an option of any type`)
    t.equal(read(z.union([z.int(), text]), textValue(each, environment)), each, `${each}, where a number would do too`)
  }
  t.equal(read(z.string(), textValue('', environment)), '')
})

t.test('text of --set is unchanged where text is taken; lists, mappings and quotes are YAML', async (t) => {
  for (const each of texts) t.equal(read(text, settingValue(each, set)), each, each)
  t.equal(read(text, settingValue('"007"', set)), '007')
  t.equal(read(z.string(), settingValue('', set)), '')
  t.equal(read(text, settingValue('[a] b'.slice(0, 3), set)), '[a]')
  t.strictSame(read(z.array(text), settingValue('[007, *.csv, "x", true]', set)), ['007', '*.csv', 'x', 'true'])
  t.strictSame(read(z.array(z.number()), settingValue('[007, 1e3]', set)), [7, 1000])
  for (const [each, value] of [
    ['3', 3],
    ['1e5', 100000],
    ['true', true],
    ['', null],
    ['a', 'a'],
  ] as const)
    t.equal(
      read(z.union([z.number(), z.boolean(), z.null(), text]), settingValue(each, set)),
      value,
      `${each} is typed`,
    )
})

t.test(
  'where another type is needed, text becomes a number, true or false, or a list or mapping in JSON',
  async (t) => {
    for (const [schema, given, value] of [
      [z.number(), '007', 7],
      [z.number(), '-1.10', -1.1],
      [z.number(), '+.5', 0.5],
      [z.number(), '5.', 5],
      [z.number(), '1e5', 100000],
      [z.int().positive(), '12', 12],
      [z.boolean(), 'True', true],
      [z.boolean(), 'false', false],
      [z.array(text), '["a", "1"]', ['a', '1']],
      [z.array(z.int()), '[1, 2]', [1, 2]],
      [z.record(z.string(), z.number()), '{"train": 0.8}', { train: 0.8 }],
      [z.union([z.number().positive(), z.strictObject({ start: z.number() })]), '0.5', 0.5],
      [z.union([z.literal('zeros'), z.strictObject({ normal: z.number() })]), 'zeros', 'zeros'],
      [z.union([z.literal('zeros'), z.strictObject({ normal: z.number() })]), '{"normal": 1}', { normal: 1 }],
    ] as const)
      t.strictSame(read(schema, textValue(given, environment)), value, given)
  },
)

t.test('what is no number in this grammar stays text, and is refused as text', async (t) => {
  for (const given of ['0x1F', '61e9540', '1_000', 'one', '.', '1e', 'Infinity', '.inf', '', ' 1', '[1, 2', '{a: 1}'])
    t.equal(read(z.number(), textValue(given, environment)), given, given)
  t.equal(read(z.boolean(), textValue('yes', environment)), 'yes')
  for (const depth of [65, 5000, 100_000]) {
    const deep = '['.repeat(depth) + ']'.repeat(depth)
    t.equal(read(z.array(z.unknown()), textValue(deep, environment)), deep, `${depth} levels`)
  }
  t.equal(read(z.array(z.unknown()), textValue('[{"__proto__": 1}]', environment)), '[{"__proto__": 1}]')
})

t.test('if both readings are refused, the message is about the one of the right kind', async (t) => {
  t.equal(read(z.number().positive(), textValue('0', environment)), 0)
  t.equal(read(z.union([z.number().positive(), z.strictObject({})]), textValue('-1', environment)), -1)
  t.equal(read(z.boolean(), textValue('7', environment)), '7')
  t.strictSame(read(z.strictObject({ a: z.number() }), settingValue('{ a: x }', set)), { a: 'x' })
})

t.test('each place decides for itself, and a mistake elsewhere changes nothing', async (t) => {
  const schema = z
    .strictObject({ path: text, size: z.number(), list: z.array(text) })
    .refine(() => false, { error: 'never' })
  const entries = { path: '7', size: '7', list: '["7"]' }
  const value: Value = {
    data: new Map(
      Object.entries(entries).map(([key, each]) => [key, { key: set, value: textValue(each, environment) }]),
    ),
    origin: set,
  }
  t.strictSame(read(schema, value), { path: '7', size: 7, list: ['7'] })
})
