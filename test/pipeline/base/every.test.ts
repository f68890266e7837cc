import fc from 'fast-check'
import t from 'tap'
import { z } from 'zod'
import {
  type Every,
  endsEpoch,
  every,
  everyForms,
  formatEvery,
  isDueAt,
  parseEvery,
  toInterval,
  trainingInterval,
} from '../../../dist/pipeline/base/every.js'
import { formatIssues } from '../../../dist/pipeline/definition/issues.js'
import { formatType, optionSchema } from '../../../dist/pipeline/definition/option-schema.js'
import { valueFrom } from '../../../dist/pipeline/definition/value.js'

const intervals = [
  ['epoch', { epochs: 1 }],
  ['epochs', { epochs: 1 }],
  ['1 epoch', { epochs: 1 }],
  ['3 epochs', { epochs: 3 }],
  ['3epochs', { epochs: 3 }],
  ['step', { steps: 1 }],
  ['500 steps', { steps: 500 }],
  ['999999999999999 steps', { steps: 999_999_999_999_999 }],
  [{ epochs: 5 }, { epochs: 5 }],
  [{ steps: 7 }, { steps: 7 }],
] as const

const spans = [
  ['30s', { seconds: 30 }],
  ['s', { seconds: 1 }],
  ['5m', { seconds: 300 }],
  ['5 min', { seconds: 300 }],
  ['10min', { seconds: 600 }],
  ['1h', { seconds: 3600 }],
  ['h', { seconds: 3600 }],
] as const

t.test('an interval of training is a number of epochs or steps, in words or as a mapping', async (t) => {
  for (const [given, expected] of intervals) {
    t.strictSame(toInterval(trainingInterval.parse(given)), expected, JSON.stringify(given))
    t.strictSame(every.parse(given), expected, JSON.stringify(given))
    if (typeof given === 'string') t.strictSame(parseEvery(given), expected, given)
  }
})

t.test('a time span is accepted where it makes sense', async (t) => {
  for (const [given, expected] of spans) {
    t.strictSame(every.parse(given), expected, given)
    t.strictSame(parseEvery(given), expected, given)
    t.notOk(trainingInterval.safeParse(given).success, given)
  }
})

const wrong = [
  '',
  'often',
  'none',
  'epoch ',
  'Epoch',
  '0 steps',
  '01 steps',
  '-1s',
  '1.5h',
  '1e3 steps',
  '3  epochs',
  '3',
  '1000000000000000 steps',
  3,
  0,
  null,
  true,
  [],
  {},
  { epoch: 1 },
  { epochs: 0 },
  { epochs: 1.5 },
  { epochs: '3' },
  { epochs: null },
  { epochs: 1, steps: 1 },
  { seconds: 1 },
]

t.test('anything else is refused', async (t) => {
  for (const given of wrong) {
    t.notOk(trainingInterval.safeParse(given).success, JSON.stringify(given))
    t.notOk(every.safeParse(given).success, JSON.stringify(given))
    if (typeof given === 'string') t.equal(parseEvery(given), undefined, given)
  }
})

/** The messages for an option `every` with this value. */
function messages(schema: z.ZodType, given: unknown): string[] {
  const options = z.strictObject({ every: schema })
  const checked = options.safeParse({ every: given })
  if (checked.success) throw new Error('accepted')
  const value = valueFrom({ every: given }, { kind: 'code' })
  return formatIssues(checked.error, options, value, '').map(({ message }) => message)
}

t.test('a refusal names all forms, or the number that is wrong', async (t) => {
  const forms = 'expected "epoch", "5 epochs", "500 steps" or a mapping with epochs or steps'
  const withTime = 'expected "epoch", "5 epochs", "500 steps", "30s", "10min", "1h" or a mapping with epochs or steps'
  for (const [given, shown] of [
    ['often', '"often"'],
    [5, '5'],
    [null, 'null'],
    [{ epoch: 1 }, '{"epoch":1}'],
    [{ epochs: 1, steps: 1 }, '{"epochs":1,"steps":1}'],
  ] as const) {
    t.strictSame(messages(trainingInterval, given), [`every: ${forms}, got ${shown}`])
    t.strictSame(messages(every, given), [`every: ${withTime}, got ${shown}`])
  }
  t.strictSame(messages(trainingInterval, '30s'), [`every: ${forms}, got "30s"`])
  t.strictSame(messages(trainingInterval, { steps: 0 }), ['every.steps: expected a positive integer, got 0'])
  t.equal(everyForms, '"epoch", "5 epochs", "500 steps", "30s", "10min" or "1h"')
  for (const text of everyForms.match(/(?<=")[^", ][^",]*(?=")/g)!) t.ok(parseEvery(text), `${text} is valid`)
})

t.test('the schemas can be shown as JSON Schema, with a default in words', async (t) => {
  const options = z.strictObject({ every: trainingInterval.default('epoch').describe('When.') })
  t.strictSame(options.parse({}), { every: 'epoch' })
  const { every: shown } = optionSchema(options).properties!
  t.match(shown, { default: 'epoch', description: 'When.' })
  t.equal(formatType(shown!), '"epoch", "5 epochs", "500 steps" or a mapping with epochs or steps')
  for (const schema of [trainingInterval, every]) {
    const { anyOf } = z.toJSONSchema(schema, { io: 'input' })
    t.match(anyOf, [
      { type: 'string', pattern: String, examples: Array },
      { type: 'object', required: ['epochs'] },
      { type: 'object', required: ['steps'] },
    ])
    const pattern = new RegExp((anyOf![0] as { pattern: string }).pattern)
    for (const text of wrong.filter((given) => typeof given === 'string')) t.notOk(pattern.test(text), text)
  }
})

t.test('an interval is formatted as short text in the largest unit that fits', async (t) => {
  for (const [given, text] of [
    [{ epochs: 1 }, 'epoch'],
    [{ epochs: 2 }, '2 epochs'],
    [{ steps: 1 }, 'step'],
    [{ steps: 500 }, '500 steps'],
    [{ seconds: 1 }, '1s'],
    [{ seconds: 90 }, '90s'],
    [{ seconds: 600 }, '10min'],
    [{ seconds: 7200 }, '2h'],
  ] as const)
    t.equal(formatEvery(given), text)
})

t.test('formatted text reads back as the same interval', async (t) => {
  const count = fc.integer({ min: 1, max: 1e9 })
  const any: fc.Arbitrary<Every> = fc.oneof(
    count.map((epochs) => ({ epochs })),
    count.map((steps) => ({ steps })),
    count.map((seconds) => ({ seconds })),
  )
  fc.assert(fc.property(any, (interval) => t.strictSame(parseEvery(formatEvery(interval)), interval)))
})

/** The steps of a run of 6 epochs of 4 steps at which an interval is due. */
function dueSteps(interval: Every): number[] {
  const steps = 4
  const positions = Array.from({ length: 24 }, (_, i) => ({ epoch: Math.floor(i / steps) + 1, step: i + 1, steps }))
  return positions.filter((position) => isDueAt(interval, position)).map(({ step }) => step)
}

t.test('epochs are due at the last step of every n-th epoch, steps at every n-th step', async (t) => {
  t.strictSame(dueSteps({ epochs: 1 }), [4, 8, 12, 16, 20, 24])
  t.strictSame(dueSteps({ epochs: 4 }), [16])
  t.strictSame(dueSteps({ steps: 5 }), [5, 10, 15, 20])
  t.strictSame(dueSteps({ steps: 25 }), [])
  t.strictSame(dueSteps({ seconds: 1 }), [], 'a time span is due at no position')
})

t.test('before the first step, and in a run without steps, no epoch has ended', async (t) => {
  t.notOk(isDueAt({ epochs: 1 }, { epoch: 0, step: 0, steps: 4 }))
  t.notOk(isDueAt({ epochs: 1 }, { epoch: 0, step: 0, steps: 0 }))
  t.ok(isDueAt({ steps: 3 }, { epoch: 0, step: 0, steps: 4 }), 'step 0 is a multiple of every number')
})

t.test('endsEpoch is true for the last step of an epoch only', async (t) => {
  for (const [step, steps, expected] of [
    [5, 5, true],
    [10, 5, true],
    [4, 5, false],
    [6, 5, false],
    [1, 1, true],
    [0, 5, false],
    [0, 0, false],
  ] as const)
    t.equal(endsEpoch({ step, steps }), expected, `${step} of ${steps}`)
})
