import t from 'tap'
import { parse } from 'yaml'
import { Pipeline } from '../../../dist/index.js'
import { publishedOf } from '../../../dist/pipeline/definition/published.js'
import { inside } from '../../stages/harness.js'

const stages = 'stages:\n  - use: load/digits\n'
const block = [
  'published:',
  '  source: a paper',
  '  parameters: { eta: 0.1 }',
  '  train_cost: { value: 1.5, tolerance: 0.1 }',
  '',
].join('\n')

t.test('the block published is written with the pipeline', async (t) => {
  const pipeline = await Pipeline.load(`${t.testdir({ 'a.yaml': block + stages })}/a.yaml`)
  const written = parse(pipeline.toYAML()) as { published: unknown }
  t.same(written.published, (parse(block) as { published: unknown }).published)
  t.same(publishedOf(written.published), {
    source: 'a paper',
    note: undefined,
    parameters: { eta: 0.1 },
    metrics: { train_cost: { value: 1.5, tolerance: 0.1 } },
  })
})

t.test('a pipeline that extends another does not inherit its block published', async (t) => {
  const folder = t.testdir({ 'a.yaml': block + stages, 'b.yaml': 'extends: a.yaml\n' })
  t.notMatch((await Pipeline.load(`${folder}/b.yaml`)).toYAML(), 'published')
})

t.test('mistakes are reported with their positions', async (t) => {
  const text = [
    'published:',
    '  parameters: { eta: a }',
    '  train_cost: { value: "1", toleranse: 1 }',
    '  sorce: x',
    stages,
  ].join('\n')
  inside(t, t.testdir({ 'a.yaml': text }))
  await t.rejects(Pipeline.load('a.yaml'), {
    code: 'DEFINITION',
    message: [
      'a.yaml:2:3  published.source is required: expected a non-empty string',
      'a.yaml:2:22  published.parameters.eta: expected a number, true or false or a list of numbers, got "a"',
      'a.yaml:3:24  published.train_cost.value: expected a number, got "1"',
      'a.yaml:3:29  published.train_cost: unknown key "toleranse"; did you mean "tolerance"?',
      'a.yaml:4:10  published.sorce: expected a mapping with value, corrected, tolerance and note, got "x"',
    ].join('\n'),
  })
})

t.test('a program passes it as an object, with the same checks', async (t) => {
  const spec = { name: 'a', stages: [{ use: 'load/digits' }] }
  const made = await Pipeline.define({ ...spec, published: { source: 'x', train_cost: { value: 1 } } })
  t.match(made.toYAML(), 'published:\n  source: x\n')
  await t.rejects(Pipeline.define({ ...spec, published: { source: '' } }), {
    message: 'code  published: source: expected a non-empty string, got ""',
  })
})
