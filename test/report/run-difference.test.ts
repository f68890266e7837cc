import t, { type Test } from 'tap'
import { differenceOf, type RunDifference } from '../../dist/report/index.js'
import { type Given, metrics, runDirectory } from './runs.js'

const difference = (t: Test, before: Given, after: Given): Promise<RunDifference> =>
  differenceOf(runDirectory(t, before), runDirectory(t, after))

t.test('equal runs have no difference', async (t) => {
  const found = await difference(t, {}, {})
  t.match(found, { isEqual: true, definition: [], data: [], rows: [], environment: [], remarks: [] })
  t.match(found.files, { compared: 1, differing: [] })
  t.ok(found.metrics.every(({ first }) => first === undefined))
})

t.test('options differ by name and line, and a default is the value that it stands for', async (t) => {
  const training = (options: string): Given => ({ training: `use: gradient-step/softmax, with: { ${options} }` })
  const found = await difference(t, training('eta: 0.1'), training('eta: 0.2, lambda: 0'))
  t.strictSame(found.definition, [
    {
      option: 'softmax.eta',
      before: { value: 0.1, line: 5, stage: 'softmax' },
      after: { value: 0.2, line: 5, stage: 'softmax' },
    },
  ])
  t.equal(found.isEqual, false)
})

t.test('another stage is named once, without its options', async (t) => {
  const found = await difference(t, {}, { training: 'id: other, use: gradient-step/hinge, with: { eta: 1 }' })
  t.strictSame(
    found.definition.map(({ option }) => option),
    ['softmax.use', 'other.use'],
  )
})

t.test('metrics have their last and best values, and the first evaluation that differs', async (t) => {
  const found = await difference(t, {}, { metrics: [...metrics.slice(0, 2), '2,20,1.5,1.9,0.4,1.7,1.8,0.35'] })
  t.match(
    found.metrics.find(({ column }) => column === 'train_cost'),
    {
      before: { final: 1.6, best: 1.6, bestEpoch: 2 },
      after: { final: 1.9, best: 1.9, bestEpoch: 2 },
      first: { epoch: 2, step: 20 },
    },
  )
  t.equal(found.metrics.find(({ column }) => column === 'train_loss')!.first, undefined)
  t.strictSame(found.files.differing, ['metrics.csv'])
})

t.test('a run without a readable definition is compared as far as it goes', async (t) => {
  const damaged = { files: { 'pipeline.yaml': 'stages: 3' } }
  const found = await difference(t, damaged, damaged)
  t.match(found.remarks, [/pipeline\.yaml cannot be read/])
  await t.rejects(differenceOf('/nowhere', '/nowhere'), { code: 'ARGUMENTS' })
})
