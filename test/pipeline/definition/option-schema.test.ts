import t from 'tap'
import { z } from 'zod'
import { listed, show } from '../../../dist/pipeline/base/words.js'
import { formatIssues } from '../../../dist/pipeline/definition/issues.js'
import { formatType, optionSchema } from '../../../dist/pipeline/definition/option-schema.js'
import { type Origin, valueFrom } from '../../../dist/pipeline/definition/value.js'

t.test('formatType describes what a schema accepts', async (t) => {
  for (const [schema, words] of [
    [z.string(), 'a string'],
    [z.string().min(1), 'a non-empty string'],
    [z.string().length(1), 'a single character'],
    [z.string().length(3), 'a string of 3 characters'],
    [z.string().min(2), 'a string of at least 2 characters'],
    [z.string().max(5), 'a string of at most 5 characters'],
    [z.string().min(2).max(5), 'a string of 2 to 5 characters'],
    [
      z
        .string()
        .regex(/^\d+x\d+$/)
        .meta({ examples: ['2x5', '1x1'] }),
      '"2x5" or "1x1"',
    ],
    [z.string().meta({ examples: ['a'] }), 'a string'],
    [z.boolean(), 'true or false'],
    [z.number(), 'a number'],
    [z.number().positive(), 'a positive number'],
    [z.number().nonnegative(), 'a non-negative number'],
    [z.number().min(0).max(1), 'a number from 0 to 1'],
    [z.number().gt(0).lt(1), 'a number above 0 and below 1'],
    [z.number().gt(0).max(1), 'a number above 0 and at most 1'],
    [z.number().max(5), 'a number at most 5'],
    [z.int(), 'an integer'],
    [z.int().positive(), 'a positive integer'],
    [z.int().min(2), 'an integer at least 2'],
    [z.int().min(1).max(9), 'an integer from 1 to 9'],
    [z.literal('epoch'), '"epoch"'],
    [z.enum(['a']), '"a"'],
    [z.enum(['a', 'b']), '"a" or "b"'],
    [z.enum(['a', 'b', 'c']), '"a", "b" or "c"'],
    [z.array(z.string()), 'a list of strings'],
    [z.array(z.string().min(1)), 'a list of non-empty strings'],
    [z.array(z.int().positive()).min(1), 'a non-empty list of positive integers'],
    [z.array(z.string()).min(2), 'a list of at least 2 strings'],
    [z.array(z.unknown()), 'a list of values'],
    [z.int().positive().nullable(), 'a positive integer'],
    [z.strictObject({ a: z.number() }), 'a mapping with a'],
    [z.strictObject({ a: z.number(), b: z.number(), c: z.number() }), 'a mapping with a, b and c'],
    [z.record(z.string(), z.number()), 'a mapping of names to numbers'],
    [z.record(z.string(), z.unknown()), 'a mapping of names to values'],
    [z.union([z.string(), z.int()]), 'a string or an integer'],
    [z.union([z.enum(['a', 'b']), z.strictObject({ c: z.number() })]), '"a", "b" or a mapping with c'],
    [z.number().nullable(), 'a number'],
    [z.unknown(), 'a value'],
  ] as const)
    t.equal(formatType(optionSchema(schema)), words)
})

t.test('listed joins words as in a sentence', async (t) => {
  t.equal(listed([]), '')
  t.equal(listed(['a']), 'a')
  t.equal(listed(['a', 'b']), 'a or b')
  t.equal(listed(['a', 'b', 'c'], 'and'), 'a, b and c')
})

t.test('show quotes strings, keeps special numbers and shortens long values', async (t) => {
  for (const [data, text] of [
    ['a"b', '"a\\"b"'],
    [Number.NaN, 'NaN'],
    [Number.NEGATIVE_INFINITY, '-Infinity'],
    [null, 'null'],
    [undefined, 'undefined'],
    [{ a: [1] }, '{"a":[1]}'],
  ] as const)
    t.equal(show(data), text)
  t.equal(show('x'.repeat(1000)).length, 58)
})

const origin: Origin = { kind: 'code' }
/** The messages for `data` under `schema`. */
function messages(schema: z.ZodType, data: unknown): string[] {
  const checked = schema.safeParse(data)
  if (checked.success) throw new Error('accepted')
  return formatIssues(checked.error, schema, valueFrom(data, origin), 'stage: ').map(({ message }) => message)
}

t.test('formatIssues gives the path, what was expected and what was found', async (t) => {
  const schema = z.strictObject({
    n: z.int().positive(),
    list: z.array(z.strictObject({ a: z.number() })).optional(),
    map: z.record(z.string(), z.number().positive()).optional(),
    pair: z.union([z.string(), z.array(z.number())]).optional(),
    own: z
      .string()
      .refine((text) => text.startsWith('/'), { error: 'expected a path from the root' })
      .optional(),
  })
  for (const [data, words] of [
    [{}, ['stage: n is required: expected a positive integer']],
    [{ n: '1' }, ['stage: n: expected a positive integer, got "1"']],
    [
      { n: 2 ** 60 },
      [
        `stage: n: expected a positive integer, got ${2 ** 60}; whole numbers are exact up to ${2 ** 53 - 1} (2^53 - 1)`,
      ],
    ],
    [{ n: Number.NaN }, ['stage: n: expected a positive integer, got NaN']],
    [{ n: null }, ['stage: n: expected a positive integer, got null']],
    [{ n: 1, list: [{ a: 1 }, { a: 'x' }] }, ['stage: list[1].a: expected a number, got "x"']],
    [
      { n: 1, list: [{ b: 1 }] },
      ['stage: list[0].a is required: expected a number', 'stage: list[0]: unknown option "b"; did you mean "a"?'],
    ],
    [{ n: 1, map: { x: 0 } }, ['stage: map.x: expected a positive number, got 0']],
    [{ n: 1, pair: [1, 'x'] }, ['stage: pair: expected a string or a list of numbers, got [1,"x"]']],
    [{ n: 1, own: 'x' }, ['stage: own: expected a path from the root, got "x"']],
    [{ n: 1, zzzzzz: 1 }, ['stage: unknown option "zzzzzz"; options: n, list, map, pair, own']],
    [[1], ['stage: expected a mapping with n, list, map, pair and own, got [1]']],
  ] as const)
    t.strictSame(messages(schema, data), words)
})
