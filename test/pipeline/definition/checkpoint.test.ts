import t from 'tap'
import { Pipeline, type Problem } from '../../../dist/index.js'
import {
  formatCheckpointRule,
  overrideCheckpointRule,
  readCheckpointRule,
} from '../../../dist/pipeline/definition/checkpoint.js'
import { valueFrom } from '../../../dist/pipeline/definition/value.js'

const read = (block: unknown): [rule: ReturnType<typeof readCheckpointRule>, problems: string[]] => {
  const problems: Problem[] = []
  const rule = readCheckpointRule(valueFrom(block, { kind: 'code' }), problems)
  return [rule, problems.map(({ message }) => message)]
}

t.test('every is a number of epochs or steps, or a time span; the flag takes the text forms', async (t) => {
  for (const [text, every] of [
    ['epoch', { epochs: 1 }],
    ['5 epochs', { epochs: 5 }],
    ['500 steps', { steps: 500 }],
    ['30s', { seconds: 30 }],
    ['5m', { seconds: 300 }],
    ['10 min', { seconds: 600 }],
    ['1h', { seconds: 3600 }],
  ] as const) {
    t.strictSame(read({ every: text }), [{ every, keep: 2, isAsked: true }, []], text)
    t.strictSame(overrideCheckpointRule(read('none')[0], text).every, every)
  }
  for (const every of [{ epochs: 5 }, { steps: 500 }])
    t.strictSame(read({ every }), [{ every, keep: 2, isAsked: true }, []])
})

t.test('a mistake is reported with what is expected', async (t) => {
  const texts = '"epoch", "5 epochs", "500 steps", "30s", "10min"'
  const forms = `expected ${texts}, "1h" or a mapping with epochs or steps`
  for (const every of ['', 'often', '0 steps', '-1s', '1.5h', '9999999999999999 steps', 'epoch ', 5, { epoch: 1 }])
    t.strictSame(read({ every })[1], [`checkpoint: every: ${forms}, got ${JSON.stringify(every)}`])
  t.strictSame(read({ every: { steps: 0 } })[1], ['checkpoint: every.steps: expected a positive integer, got 0'])
  t.throws(() => overrideCheckpointRule(read('none')[0], 'often'), {
    code: 'ARGUMENTS',
    message: `--checkpoint: expected ${texts} or "1h" or "none", got "often"`,
  })
  t.match(read({ every: 'epoch', keep: 0 })[1], [/^checkpoint: keep: expected an integer from 1 to 1000, got 0$/])
  t.match(read({ evry: 'epoch' })[1], [/unknown key "evry"; did you mean "every"\?/])
  t.match(read('sometimes')[1], [/^checkpoint: expected "none" or a mapping with every and keep, got "sometimes"$/])
})

t.test('the default is a checkpoint every 30 seconds; "none" writes none', async (t) => {
  t.strictSame(readCheckpointRule(undefined, []), { every: { seconds: 30 }, keep: 2, isAsked: false })
  t.equal(read('none')[0].keep, 0)
  t.equal(overrideCheckpointRule(readCheckpointRule(undefined, []), 'none').keep, 0)
})

t.test('a formatted rule reads back as the same rule', async (t) => {
  for (const block of [
    'none',
    { every: 'epoch', keep: 3 },
    { every: '7 steps' },
    { every: '2min', keep: 1 },
    { every: { epochs: 2 } },
  ]) {
    const [rule] = read(block)
    t.strictSame(read(formatCheckpointRule(rule))[0], rule)
  }
  t.equal(formatCheckpointRule(readCheckpointRule(undefined, [])), undefined)
  const pipeline = await Pipeline.define({
    name: 'x',
    checkpoint: { every: '9 steps' },
    stages: [{ use: 'load/digits' }],
  })
  t.match(pipeline.toYAML(), /^checkpoint:\n {2}every: 9 steps\n {2}keep: 2$/m)
})
