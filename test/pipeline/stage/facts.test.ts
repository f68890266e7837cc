import t from 'tap'
import { Pipeline, type PipelineError } from '../../../dist/index.js'

/** A training stage that names its learner or does not; it is never run. */
const trainer = (learner: string) => `import { softmax } from 'millrace/learners'
import { defineStage, wire, z } from 'millrace/stage'
export default defineStage({
  name: 'mine', summary: 'Trains.', options: z.strictObject({}), inputs: { batches: wire.batch },
  outputs: { parameters: wire.parameters }, example: '- use: ./mine.js', ${learner} run: () => (batches) => batches,
})
`

/** A stage between training and scoring, which makes parameters of parameters and examples. */
const averaging = `import { defineStage, wire, z } from 'millrace/stage'
export default defineStage({
  name: 'averaging', summary: 'Averages.', options: z.strictObject({}), example: '- use: ./averaging.js',
  inputs: { examples: wire.examples, parameters: wire.parameters }, outputs: { mean: wire.parameters },
  run: () => ({ parameters }) => parameters,
})
`

const files = { 'nameless.js': trainer(''), 'named.js': trainer('learner: softmax,'), 'averaging.js': averaging }

const head = (trainer: string) => `stages:
  - { id: examples, use: load/digits }
  - { use: batch/rows, with: { size: 10, epochs: 1 } }
  - { id: model, use: ./${trainer}.js }
  - { id: mean, use: ./averaging.js, from: { parameters: model, examples: examples } }
`

/** Stages that score parameters, or draw their weights. */
const scoring = {
  'evaluate/classification': '{ parameters: FROM, examples: examples }',
  'sink/confusion': '{ parameters: FROM, examples: examples }',
  'sink/predictions': '{ parameters: FROM, examples: examples }',
  'sink/weights': 'FROM',
  'check/gradient': '{ parameters: FROM, batches: rows }',
}

t.test('what scores parameters refuses those of a stage that names no learner, before the run', async (t) => {
  const message =
    'the parameters come from a stage that names no learner, so they cannot be scored; give that stage a `learner` (see examples/hinge.js)'
  for (const [trainer, expected] of [
    ['nameless', message],
    ['named', undefined],
  ] as const)
    for (const [use, wires] of Object.entries(scoring))
      for (const from of ['model', 'mean']) {
        const entry = `  - { use: ${use}, from: ${wires.replace('FROM', from)} }\n`
        const folder = t.testdir({ ...files, 'p.yaml': head(trainer) + entry })
        const loaded = Pipeline.load(`${folder}/p.yaml`)
        if (expected === undefined) await t.resolves(loaded, `${use} from ${from}`)
        else {
          const error: PipelineError = await loaded.then(
            () => t.fail(`${use} from ${from} is accepted`),
            (error) => error,
          )
          t.equal(error.code, 'DEFINITION')
          const problem = error.message.replaceAll(/\S*(?=p\.yaml)/g, '')
          t.equal(problem, `p.yaml:6:5  stages[4] ${use}: ${expected}`)
        }
      }
})

t.test('what only stores parameters, or looks at metrics, asks for no learner', async (t) => {
  const entries = '  - { use: sink/parameters, from: model }\n  - { use: sink/arrow, from: mean, with: { path: a } }\n'
  const folder = t.testdir({ ...files, 'p.yaml': head('nameless') + entries })
  await t.resolves(Pipeline.load(`${folder}/p.yaml`))
})
