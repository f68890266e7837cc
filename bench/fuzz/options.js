import { rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { Pipeline, run } from '../../dist/index.js'
import { optionSchema } from '../../dist/pipeline/definition/option-schema.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { absurdNumbers, absurdPaths, data, prototypeKeys, text } from './mutations.js'
import { outcomeOf } from './outcome.js'

const all = [...(await builtInStages()).values()]

/** A value that fits a schema, or nearly. */
function near(schema) {
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return fc.oneof(...branches.map(near))
  if (schema.enum) return fc.constantFrom(...schema.enum)
  switch (schema.type) {
    case 'integer':
    case 'number':
      return fc.oneof(
        fc.constantFrom(...absurdNumbers.map(schema.type === 'integer' ? Math.round : Number)),
        fc.nat(100),
      )
    case 'string':
      return fc.oneof(text, fc.constantFrom(...absurdPaths, 'train', 'test', '9999x9999', '1x1', 'train_cost', '0'))
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(near(schema.items ?? {}), { maxLength: 3 })
    case 'object':
      return schema.properties
        ? given(schema)
        : fc.dictionary(
            fc.constantFrom('train', 'test', ...prototypeKeys, '\x1b[2J'),
            near(schema.additionalProperties || {}),
            { maxKeys: 3 },
          )
    default:
      return schema.const === undefined ? data : fc.constant(schema.const)
  }
}

/** Options that mostly fit their schemas, or nearly; a few are arbitrary data. */
function given({ properties = {} }) {
  const known = Object.entries(properties).map(([name, schema]) => [
    name,
    fc.oneof({ weight: 9, arbitrary: near(schema) }, { weight: 1, arbitrary: data }),
  ])
  return fc
    .tuple(
      fc.record(Object.fromEntries(known), { requiredKeys: [] }),
      fc.oneof(
        { weight: 9, arbitrary: fc.constant({}) },
        { weight: 1, arbitrary: fc.dictionary(text, data, { maxKeys: 2 }) },
      ),
    )
    .map(([some, more]) => ({ ...some, ...more }))
}

const uses = fc
  .constantFrom(...all)
  .chain((stage) => fc.record({ use: fc.constant(stage.name), with: given(optionSchema(stage.options)) }))

/** The stage that provides each wire type. */
const sources = {
  examples: 'examples',
  batch: 'batches',
  parameters: 'model',
  metrics: 'metrics',
  'gradient-check': 'check',
  any: 'metrics',
}

async function pipelineWith({ use, with: options }) {
  const stage = all.find(({ name }) => name === use)
  const inputs = Object.entries(stage.inputs).map(([port, { type }]) => [port, sources[type]])
  return Pipeline.define({
    name: 'fuzz',
    seed: 1,
    stages: [
      { use: 'load/digits', id: 'examples' },
      { use: 'batch/rows', id: 'batches', with: { size: 500, epochs: 2 } },
      { use: 'gradient-step/softmax', id: 'model', with: { eta: 0.1 } },
      { use: 'evaluate/classification', id: 'metrics', from: { parameters: 'model', examples: 'examples' } },
      {
        use,
        id: 'fuzzed',
        with: options,
        ...(inputs.length === 1 && { from: inputs[0][1] }),
        ...(inputs.length > 1 && { from: Object.fromEntries(inputs) }),
      },
    ],
  })
}

/** Loads a pipeline in which one stage has absurd options. If it is sound, runs it for 0.1 s. */
async function runFor(entry, folder) {
  const out = join(folder, 'run')
  rmSync(out, { recursive: true, force: true })
  return outcomeOf(
    async () => run(await pipelineWith(entry), { out, kernel: 'reference', signal: AbortSignal.timeout(100) }),
    ['DEFINITION', 'DATA', 'WRITE', 'DIVERGED', 'CHECK', 'KERNEL', 'ABORTED', 'STAGE', 'ARGUMENTS'],
    /code|stage|/,
  )
}

/** The readers of stage options. */
export const options = [
  {
    name: 'options',
    weight: 20,
    inputs: uses,
    check: (entry) => outcomeOf(() => pipelineWith(entry), ['DEFINITION', 'ARGUMENTS'], /code/),
  },
  { name: 'options, run', weight: 2, inputs: uses, check: runFor },
]
