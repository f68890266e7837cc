import t from 'tap'
import { Pipeline, type Problem } from '../../../dist/index.js'
import { checkpointRule, withCadence, writtenRule } from '../../../dist/pipeline/definition/checkpoint.js'
import { valueFrom } from '../../../dist/pipeline/definition/value.js'

const read = (block: unknown): [rule: ReturnType<typeof checkpointRule>, problems: string[]] => {
  const problems: Problem[] = []
  const rule = checkpointRule(valueFrom(block, { kind: 'code' }), problems)
  return [rule, problems.map(({ message }) => message)]
}

t.test('a cadence is a number of epochs, steps, or a time', async (t) => {
  for (const [text, every] of [
    ['epoch', { epochs: 1 }],
    ['5 epochs', { epochs: 5 }],
    ['500 steps', { steps: 500 }],
    ['30s', { seconds: 30 }],
    ['10 min', { seconds: 600 }],
    ['1h', { seconds: 3600 }],
  ] as const) {
    t.strictSame(read({ every: text }), [{ every, keep: 2, isAsked: true }, []], text)
    t.strictSame(withCadence(read('none')[0], text).every, every)
  }
})

t.test('what is none is told', async (t) => {
  const forms = 'expected "epoch", "5 epochs", "500 steps", "30s", "10min" or "1h"'
  for (const text of ['', 'often', '0 steps', '-1s', '1.5h', '9999999999 steps', 'epoch '])
    t.strictSame(read({ every: text })[1], [`checkpoint: every: ${forms}, got ${JSON.stringify(text)}`])
  t.match(read({ every: 'epoch', keep: 0 })[1], [/^checkpoint: keep: expected an integer from 1 to 1000, got 0$/])
  t.match(read({ evry: 'epoch' })[1], [/unknown key "evry"; did you mean "every"\?/])
  t.match(read('sometimes')[1], [/^checkpoint: expected "none" or a mapping with every and keep, got "sometimes"$/])
})

t.test('without a word there is one every 30 seconds, and none asked for is none', async (t) => {
  t.strictSame(checkpointRule(undefined, []), { every: { seconds: 30 }, keep: 2, isAsked: false })
  t.equal(read('none')[0].keep, 0)
  t.equal(withCadence(checkpointRule(undefined, []), 'none').keep, 0)
})

t.test('a rule is written so that it reads back as it is', async (t) => {
  for (const block of ['none', { every: 'epoch', keep: 3 }, { every: '7 steps' }, { every: '2min', keep: 1 }]) {
    const [rule] = read(block)
    t.strictSame(read(writtenRule(rule))[0], rule)
  }
  t.equal(writtenRule(checkpointRule(undefined, [])), undefined)
  const pipeline = await Pipeline.define({
    name: 'x',
    checkpoint: { every: '9 steps' },
    stages: [{ use: 'load/digits' }],
  })
  t.match(pipeline.toYAML(), /^checkpoint:\n {2}every: 9 steps\n {2}keep: 2$/m)
})
