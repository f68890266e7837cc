import {
  argMax,
  type Kernels,
  lossOf,
  type NetworkShape,
  type Numbers,
  type OpenModel,
  rowsPerCall,
} from '../pipeline/stage-kit.js'

const sums = ({ loss, correct }: { readonly loss: number; readonly correct: number }) => [loss, correct]

function sumsOf(shape: NetworkShape, classes: number, scores: Numbers, labels: Int32Array): number[] {
  const { plain } = lossOf(shape)
  const row = new Float64Array(classes)
  let [loss, correct] = [0, 0]
  for (const [i, label] of labels.entries()) {
    for (let k = 0; k < classes; k++) row[k] = scores[i * classes + k]!
    loss += plain(row, label)
    if (argMax(row) === label) correct++
  }
  return [loss, correct]
}

/** Opens a network of a kernel as the model of a learner. Its sums are the loss and the number of correct rows. */
export function openNetwork(kernels: Kernels, shape: NetworkShape): OpenModel {
  const network = kernels.network(shape)
  // The statistics of a batch must not be those of its parts.
  const needsWholeBatch = shape.layers.some(({ batchNorm }) => batchNorm)
  return {
    rowsPerCall: rowsPerCall(kernels, { ...shape, classes: network.classes }),
    needsWholeBatch,
    stepsAhead: kernels.stepsAhead,
    read: () => network.read(),
    load: (parameters) => network.load(parameters),
    change: (write) => network.change(write),
    step: (rows, update) => network.step(rows, update),
    rules: network.rules,
    clips: network.clips,
    accumulate: (rows) => network.accumulate(rows),
    gradient: (lambda, into) => network.gradient(lambda, into),
    evaluate: (rows) => {
      const evaluated = network.evaluate(rows)
      return evaluated instanceof Promise ? evaluated.then(sums) : sums(evaluated)
    },
    evaluateScores: (scores, labels) => sumsOf(shape, network.classes, scores, labels),
    penalty: () => network.penalty(),
    scores: (rows, out) => network.scores(rows, out),
    free: () => network.free(),
  }
}
