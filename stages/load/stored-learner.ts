import { Table } from 'apache-arrow'
import { checkArrays } from '../../learners/check-arrays.js'
import { hinge, network, softmax } from '../../learners/index.js'
import {
  type AnyLearner,
  type Facts,
  learnerWith,
  listed,
  modelOf,
  PipelineError,
  schemaOf,
} from '../../pipeline/stage-kit.js'

const builtIn: readonly AnyLearner[] = [softmax, hinge, network]

/**
 * What is known of the parameters that a file records: the learner as its options make it, shape and classes. Reads the
 * beginning of the file only. Throws an Error if the file is damaged, or names no learner that comes with Millrace.
 */
export function learnerInFile(path: string): Facts {
  const { learner: name, options, shape, classes } = modelOf(new Table(schemaOf(path)))
  const found = builtIn.find((learner) => learner.name === name)
  if (found) return { shape, classes, learner: learnerWith(found, options) }
  throw new PipelineError(
    'DATA',
    `${path} holds parameters of the learner "${name}", expected ${listed(builtIn.map((learner) => learner.name))}`,
  )
}

/** Throws a PipelineError `DATA` if the arrays of a `parameters` table are not those of its learner. */
export function checkParameters(table: Table, path: string): void {
  const model = modelOf(table)
  const learner = builtIn.find(({ name }) => name === model.learner)
  if (learner) checkArrays(model, learner, path)
}
