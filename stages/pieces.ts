import { type Kernels, type Rows, rowsPerCall, type Softmax, slices } from '../kernels/index.js'
import { PipelineError } from '../pipeline/stage-kit.js'

/**
 * Rows of a split in pieces of one kernel call each. Throws a PipelineError `DATA` where the parameters are for rows of
 * another width.
 */
export function piecesOf(rows: Rows, split: string, classifier: Softmax, kernels: Kernels): Iterable<Rows> {
  const { values, labels } = rows
  const { features } = classifier
  if (values.length !== labels.length * features)
    throw new PipelineError(
      'DATA',
      `the parameters are for ${features} features, the split "${split}" has ${values.length / labels.length}`,
    )
  return slices(rows, rowsPerCall(kernels, classifier))
}
