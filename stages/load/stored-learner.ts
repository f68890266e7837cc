import { Table } from 'apache-arrow'
import { checkArrays } from '../../learners/check-arrays.js'
import { builtInLearners } from '../../learners/index.js'
import {
  type AnyLearner,
  type Facts,
  learnerWith,
  listed,
  type Model,
  modelOf,
  PipelineError,
  schemaOf,
} from '../../pipeline/stage-kit.js'

/**
 * The learner that a file names, as its options make it. Throws a PipelineError `DATA` if it is not one of these.
 *
 * @param help what is added to the message
 */
export function learnerOfFile(
  { learner: name, options }: Pick<Model, 'learner' | 'options'>,
  path: string,
  learners: readonly AnyLearner[],
  help = '',
): AnyLearner {
  const found = learners.find((learner) => learner.name === name)
  if (found) return learnerWith(found, options)
  const known = listed(learners.map((learner) => learner.name))
  throw new PipelineError('DATA', `${path}: the model was made by the learner "${name}", expected ${known}${help}`)
}

/**
 * What is known of the parameters that a file records: the learner as its options make it, shape and classes. Reads the
 * beginning of the file only. Throws an Error if the file is damaged, or names no learner that comes with Millrace.
 */
export function learnerInFile(path: string): Facts {
  const model = modelOf(new Table(schemaOf(path)))
  const { shape, classes } = model
  return { shape, classes, learner: learnerOfFile(model, path, builtInLearners) }
}

/** Throws a PipelineError `DATA` if the arrays of a `parameters` table are not those of its learner. */
export function checkParameters(table: Table, path: string): void {
  const model = modelOf(table)
  checkArrays(model, learnerOfFile(model, path, builtInLearners), path)
}
