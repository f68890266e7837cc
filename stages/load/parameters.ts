import { existsSync } from 'node:fs'
import { z } from 'zod'
import { checkArrays } from '../../learners/check-arrays.js'
import { builtInLearners } from '../../learners/index.js'
import {
  type AnyLearner,
  defineStage,
  type Facts,
  inputPath,
  messageOf,
  modelOf,
  parametersTables,
  positionOf,
  readStoredModel,
  type StoredModel,
  storedFile,
  wire,
} from '../../pipeline/stage-kit.js'
import { learnerOfFile } from './stored-learner.js'

/**
 * Loads the parameters of a trained model, with all that is needed to use them: the learner and its options, the
 * standardisation of the inputs, names, columns and classes. Emits one table, as at the end of a training.
 */
export const parameters = makeParameters('load/parameters', builtInLearners)

/**
 * Makes a stage like `load/parameters` for models of a learner that does not come with Millrace.
 *
 * @param name of the stage: `family/name`
 */
export function parametersOf(name: string, learner: AnyLearner) {
  return makeParameters(name, [learner])
}

function makeParameters(name: string, learners: readonly AnyLearner[]) {
  return defineStage({
    name,
    summary: 'Loads the parameters of a trained model.',
    options: z.strictObject({
      path: inputPath('give the directory of a run, or its parameters.arrow or best.arrow').describe(
        'A run directory, or its parameters.arrow or best.arrow.',
      ),
    }),
    inputs: {},
    outputs: { parameters: wire.parameters },
    example: `- use: ${name}\n  with: { path: runs/digits-001 }`,
    holds: 'the parameters',
    parallel: 'every',
    sources: ({ path }) => [storedFile(path)],
    facts: ({ options: { path }, problem }) => {
      try {
        // A file that is missing is told by the check of the input files.
        return { parameters: existsSync(path) ? factsOf(readStoredModel(path), learners) : placeholder(learners) }
      } catch (error) {
        problem('path', messageOf(error))
        return { parameters: placeholder(learners) }
      }
    },
    run: ({ path }, context) => {
      const { table, source } = readStoredModel(path)
      learnerIn({ table, source }, learners)
      context.source(source)
      const { epoch, step } = positionOf(table)
      const model = modelOf(table)
      // It is the end of a training, whatever its length was to be.
      return context.flow.pull([parametersTables(model)({ epoch, step, epochs: 1, steps: step }, model.eta)])
    },
  })
}

function factsOf(stored: StoredModel, learners: readonly AnyLearner[]): Facts {
  const { shape, classes } = modelOf(stored.table)
  return { shape, classes, learner: learnerIn(stored, learners) }
}

/** What is known of parameters that cannot be read: they have some learner. */
function placeholder([learner]: readonly AnyLearner[]): Facts {
  return { learner: learner! }
}

/**
 * The learner of a model, as its options make it. Throws a PipelineError `DATA` if it is not one of these, or if the arrays
 * are not those of such a model.
 */
function learnerIn({ table, source: { path } }: StoredModel, learners: readonly AnyLearner[]): AnyLearner {
  const model = modelOf(table)
  const learner = learnerOfFile(
    model,
    path,
    learners,
    '; `parametersOf(name, learner)` makes a stage for a learner of yours',
  )
  checkArrays(model, learner, path)
  return learner
}
